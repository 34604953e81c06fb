"""Whether the next frames are far enough away for work that no verdict waits for. Pure.

Cameras send evenly, so when the next frame comes is known well enough from the newest one and the rate. What begins
right after a verdict, however short and at whatever priority, else meets the frame of a camera that sends at almost the
same time: two cameras in step got the slowest hundredth of their verdicts a quarter later.
"""

from __future__ import annotations

from collections.abc import Iterable

_NEEDED_SECONDS = 0.004
"""How long nothing may come: a witness takes a window in 1.2 ms, frames come a millisecond or two early. Our choice."""
_LATE_SECONDS = 0.005
"""For so long a frame that is overdue may still come at any moment; then nobody knows when it comes."""


def is_quiet(newest: Iterable[tuple[float, float]], now: float) -> bool:
    """newest: when the newest frame of each camera came, and how many it sends a second, 0 where that is not known."""
    return not any(_is_near(arrival + 1 / fps - now) for arrival, fps in newest if fps > 0)


def _is_near(ahead_seconds: float) -> bool:
    return -_LATE_SECONDS < ahead_seconds < _NEEDED_SECONDS
