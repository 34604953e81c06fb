"""The networks: the published one, the streaming one that ships, and the controls they are compared with."""
