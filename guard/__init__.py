"""Real-time driver verification for video calls: joins calls, runs engines, decides, serves."""

__version__ = "0.1.0"
