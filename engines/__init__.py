"""What computes: the way from a decoded frame to a still crop of the face, the engine protocol, backends, models."""
