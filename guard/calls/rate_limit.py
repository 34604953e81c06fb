"""Token buckets: how much of something one sender may cause in a second."""

from __future__ import annotations


class TokenBucket:
    """Admits `rate` units a second on average, and as many at once after a pause. Pure; time is given in seconds."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._level = rate
        self._last: float | None = None

    def take(self, amount: float, now: float) -> bool:
        """Whether `amount` more is within the rate; what is refused costs nothing."""
        if self._last is not None:
            self._level = min(self._rate, self._level + (now - self._last) * self._rate)
        self._last = now
        if amount > self._level:
            return False
        self._level -= amount
        return True
