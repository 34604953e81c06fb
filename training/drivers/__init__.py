"""Drivers: whose motion it is. Real ones from motion tracks (`tracks`), artificial ones by seed (`procedural`).

Both yield `motion.DriverMotion`: landmark motion relative to the driver's own neutral, and head motion, at one rate.
"""
