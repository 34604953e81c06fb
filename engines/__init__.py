"""What computes: the engine protocol, its backends and the shipped models."""
