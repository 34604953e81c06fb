"""Which face frames of a seat are tracked: about so many a second of media time, whatever rate the camera has. Pure."""

from __future__ import annotations

import math

from guard.calls.rate_limit import TokenBucket

_TOLERANCE_SECONDS = 0.004
"""Time stamps are rounded: a frame that is due so much later is due now."""
_LONGEST_STEP_SECONDS = 2.0
"""A larger step back in media time begins anew; after one ahead the grid does."""
_MOST_ARRIVALS = 2.0
"""Times the rate, by the guard's own clock: time stamps are the sender's, and may tell anything."""


class Thinning:
    """Lets through the frames of one seat that lie nearest behind a grid of even steps in media time."""

    def __init__(self, rate_hz: float) -> None:
        self._step = 1 / rate_hz
        self._due: float | None = None
        self._arrivals = TokenBucket(max(_MOST_ARRIVALS * rate_hz, 1.0))

    def takes(self, pts_seconds: float, arrival_seconds: float) -> bool:
        """Whether this frame is tracked."""
        late = 0.0 if self._due is None else pts_seconds - self._due
        if -_LONGEST_STEP_SECONDS < late < -_TOLERANCE_SECONDS or not math.isfinite(pts_seconds):
            return False
        if not self._arrivals.take(1, arrival_seconds):
            return False
        keeps_step = self._due is not None and late + _TOLERANCE_SECONDS >= 0 and late < self._step
        self._due = (self._due if keeps_step and self._due is not None else pts_seconds) + self._step
        return True
