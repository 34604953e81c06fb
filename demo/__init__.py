"""Runnable scenes on the public API of guard."""
