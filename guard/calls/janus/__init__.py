"""Joining a VideoRoom of a Janus server: a WebSocket for signalling, one peer connection for all its publishers."""
