"""Calls over a network that is made bad on purpose: `guard bench network`, and a relay for tests."""
