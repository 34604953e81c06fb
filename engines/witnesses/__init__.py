"""Witnesses: second opinions beside the F5C engine, on what an expression tracker reads off a face."""
