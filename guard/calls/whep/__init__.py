"""WHEP: one participant's video, fetched from a server that offers it to viewers."""
