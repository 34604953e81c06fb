"""From received frames to what an engine takes, one participant at a time."""
