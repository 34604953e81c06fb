"""From decoded frames to what an engine takes: a still crop of the face, paced by media time."""
