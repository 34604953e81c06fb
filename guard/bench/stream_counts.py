"""`--streams 1,4,8`."""

from __future__ import annotations

from guard.errors import ConfigError

_MOST_STREAMS = 65_536


def parse_stream_counts(text: str) -> tuple[int, ...]:
    """Numbers of streams from a comma-separated list. Raises ConfigError for anything else."""
    counts = tuple(int(part) if part.strip().isdecimal() else 0 for part in text.split(","))
    if not all(1 <= count <= _MOST_STREAMS for count in counts):
        raise ConfigError(f"--streams {text}: needs numbers from 1 to {_MOST_STREAMS}, comma-separated, such as 1,4,8")
    return counts
