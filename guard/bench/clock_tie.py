"""How the clock of another process stands to ours, from readings across a pipe (Cristian's algorithm). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClockReading:
    """The other clock's time, and ours before we asked and after we were told; seconds."""

    asked: float
    told: float
    answered: float


@dataclass(frozen=True, slots=True)
class ClockTie:
    """offset_seconds: the other clock minus ours. uncertainty_seconds: it may be wrong by so much either way."""

    offset_seconds: float
    uncertainty_seconds: float

    @property
    def is_one_clock(self) -> bool:
        """True where nothing speaks against both being the same clock, as they are on one Linux machine."""
        return abs(self.offset_seconds) <= self.uncertainty_seconds

    def ours(self, theirs_seconds: float) -> float:
        """An instant of the other clock on ours. One clock is left as it is: a correction would only add noise."""
        return theirs_seconds if self.is_one_clock else theirs_seconds - self.offset_seconds


def tie_clocks(readings: Sequence[ClockReading], resolution_seconds: float = 0.0) -> ClockTie:
    """The tie from the reading with the shortest round trip, whose answer came from somewhere within it.

    resolution_seconds: steps in which the other clock tells the time. Raises ValueError without readings.
    """
    best = min(readings, key=lambda reading: reading.answered - reading.asked)
    return ClockTie(best.told - (best.asked + best.answered) / 2, (best.answered - best.asked) / 2 + resolution_seconds)


def join_ties(before: ClockTie, after: ClockTie) -> ClockTie:
    """One tie for the time between two: their mean, and as uncertainty the worse one and half of what they differ."""
    drift = abs(after.offset_seconds - before.offset_seconds)
    return ClockTie(
        (before.offset_seconds + after.offset_seconds) / 2,
        max(before.uncertainty_seconds, after.uncertainty_seconds) + drift / 2,
    )
