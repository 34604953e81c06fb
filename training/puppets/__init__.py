"""Puppets: painted faces, thousands of looks by seed, driven by procedural drivers. No photograph, no torch."""
