"""Measuring on this machine: `guard bench`."""
