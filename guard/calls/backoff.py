"""When to try again after a call was lost. Pure: the clock and the randomness are given."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class BackoffPolicy:
    """How the waiting grows, in seconds."""

    first_seconds: float = 0.5
    factor: float = 2.0
    longest_seconds: float = 30.0
    stable_seconds: float = 10.0
    """A visit that lasted so long was a good one: the waiting starts over."""


class Backoff:
    """Exponential waiting with jitter: attempt n waits between half and all of `first * factor ** n`, up to a limit.

    The jitter keeps many guards from coming back to a restarted server at the same moment.
    """

    def __init__(self, policy: BackoffPolicy, rng: Random) -> None:
        self._policy = policy
        self._rng = rng
        self._failures = 0
        self._joined_seconds: float | None = None

    @property
    def failures(self) -> int:
        """Attempts in a row after which no stable visit came."""
        return self._failures

    def joined(self, now: float) -> None:
        """An attempt was successful at `now` (monotonic seconds)."""
        self._joined_seconds = now

    def lost(self, now: float, at_least: float = 0.0) -> float:
        """The attempt or the call failed at `now`: seconds to wait, `at_least` so many (the server's own wish)."""
        policy = self._policy
        if self._joined_seconds is not None and now - self._joined_seconds >= policy.stable_seconds:
            self._failures = 0
        self._joined_seconds = None
        # Bounded, or the power overflows after a night without a server.
        exponent = min(self._failures, 64)
        self._failures += 1
        ceiling = min(policy.longest_seconds, policy.first_seconds * policy.factor**exponent)
        return max(at_least, self._rng.uniform(ceiling / 2, ceiling))
