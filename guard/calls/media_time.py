"""Media time out of the time stamps of a stream that nobody vouches for. Pure: arrival is given with every frame."""

from __future__ import annotations

LONGEST_STEP_SECONDS = 2.0
"""A longer step between two frames is a jump of the time stamps, or a pause: either way nothing connects the two."""

_SHORTEST_STEP_SECONDS = 1e-3
# Faster than any two clocks drift apart, and slower than a backlog builds up.
_DRIFT = 1e-3


class MediaTime:
    """Media time from 0, strictly rising. A jump becomes a gap, and the time goes on as another clock tells it."""

    def __init__(self) -> None:
        self._stamp_seconds: float | None = None
        self._media_seconds = 0.0
        self._begun = False

    def take(self, stamp_seconds: float | None, otherwise_seconds: float) -> tuple[float, bool]:
        """Media time of the next frame, and whether it follows a jump.

        stamp_seconds: its time stamp, None where it has none.
        otherwise_seconds: time since the frame before by another clock, used where the time stamps are of no use.
        """
        before, self._stamp_seconds = self._stamp_seconds, stamp_seconds
        if not self._begun:
            self._begun = True
            return self._media_seconds, False
        step = None if before is None or stamp_seconds is None else stamp_seconds - before
        follows = step is not None and _SHORTEST_STEP_SECONDS <= step <= LONGEST_STEP_SECONDS
        self._media_seconds += step if step is not None and follows else max(otherwise_seconds, _SHORTEST_STEP_SECONDS)
        return self._media_seconds, not follows


class Lateness:
    """How much later frames come than the promptest of them did, by their media time; clocks may drift apart."""

    def __init__(self) -> None:
        self._promptest_seconds: float | None = None
        self._arrival_seconds = 0.0

    def take(self, media_seconds: float, arrival_seconds: float) -> float:
        """Seconds by which the frame is late."""
        delay = arrival_seconds - media_seconds
        if self._promptest_seconds is None:
            self._promptest_seconds = delay
        else:
            allowed = self._promptest_seconds + _DRIFT * (arrival_seconds - self._arrival_seconds)
            self._promptest_seconds = min(delay, allowed)
        self._arrival_seconds = arrival_seconds
        return delay - self._promptest_seconds
