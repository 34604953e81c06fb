"""LiveKit rooms as a call source, through LiveKit's own SDK (extra `[livekit]`)."""
