"""Which frames to take, and which of them follow one another.

A difference of two frames only means something when they are a known, near-constant time apart. All by media time:
arrival times carry the network's jitter.
"""

from __future__ import annotations

import math
from collections import deque
from enum import Enum
from statistics import median_low

TARGET_FPS = 30.0
"""Faster streams are thinned to about this. Every k-th frame is taken, k = rate / 30 rounded, so that steps stay equal:
34-45 fps is taken as it is, 60 becomes 30, 90 and 120 become 30."""

MAX_STEP_INTERVALS = 2.5
"""A longer step, in nominal intervals, is a break."""

RATE_SECONDS = 2.0
"""The frame rate is the median of this much media time,"""
RATE_MIN_INTERVALS = 5
"""but of no fewer intervals,"""
RATE_MAX_INTERVALS = 256
"""and of no more."""

_KNOWN_INTERVALS = 3
_FIRST_STEP_SECONDS = 0.02
_DIVISOR_HYSTERESIS = 0.55
_SAME_STEP = 1.5
_RATE_TOLERANCE = 0.97
_SHORTEST_INTERVAL, _LONGEST_INTERVAL = 1e-4, 60.0


class Pace(Enum):
    """What to do with a frame."""

    SKIP = "skip"
    """Between two frames of the wanted rate: leave it out."""
    BREAK = "break"
    """Take it; it does not follow the frame taken before."""
    CONTINUE = "continue"
    """Take it; it is one nominal step from the frame taken before."""


class Pacer:
    """Paces the frames of one participant."""

    def __init__(self, min_fps: float = 12.0) -> None:
        self._min_fps = min_fps
        self._intervals: deque[float] = deque(maxlen=RATE_MAX_INTERVALS)
        self._interval = 0.0
        self._divisor = 1
        self._seen_pts: float | None = None
        self._taken_pts: float | None = None
        self._broken = True
        self._run_seconds = 1 / TARGET_FPS

    @property
    def fps(self) -> float:
        """Rate of the incoming frames, before thinning; 0 until it is known."""
        return 1 / self._interval if self._interval > 0 else 0.0

    @property
    def too_slow(self) -> bool:
        """True where the rate is known and below the limit; a stream right at the limit is not."""
        return 0 < self.fps < self._min_fps * _RATE_TOLERANCE

    @property
    def nominal_seconds(self) -> float:
        """Time that one step between two taken frames should last."""
        return self._divisor * self._interval if self._interval > 0 else 1 / TARGET_FPS

    def step(self, pts_seconds: float, *, after_gap: bool = False) -> Pace:
        """Decide on the next frame.

        pts_seconds: media time; any value is survived. Time that is no number or stands still is skipped and breaks the
        run; time that runs backwards breaks it and counts on from there.
        after_gap: something before this frame was lost.
        """
        self._broken |= after_gap
        if not math.isfinite(pts_seconds) or pts_seconds == self._seen_pts:
            self._broken = True
            return Pace.SKIP
        if self._seen_pts is None or self._taken_pts is None or pts_seconds < self._seen_pts:
            self._broken = True
        else:
            self._measure(pts_seconds - self._seen_pts)
            if pts_seconds - self._taken_pts < self._shortest_step():
                self._seen_pts = pts_seconds
                return Pace.SKIP
            self._broken |= pts_seconds - self._taken_pts > MAX_STEP_INTERVALS * self.nominal_seconds
        if self._broken:
            self._run_seconds = self.nominal_seconds
        pace = Pace.BREAK if self._broken else Pace.CONTINUE
        self._seen_pts = self._taken_pts = pts_seconds
        self._broken = False
        return pace

    def _shortest_step(self) -> float:
        """A frame nearer than this to the last taken one is left out."""
        return (self._divisor - 0.5) * self._interval if self._interval > 0 else _FIRST_STEP_SECONDS

    def _measure(self, interval: float) -> None:
        """Take one more interval into the running median, and thin by another number where the rate calls for it."""
        self._intervals.append(min(max(interval, _SHORTEST_INTERVAL), _LONGEST_INTERVAL))
        spare = sum(self._intervals) - RATE_SECONDS
        while len(self._intervals) > RATE_MIN_INTERVALS and spare > 0:
            spare -= self._intervals.popleft()
        if len(self._intervals) < _KNOWN_INTERVALS:
            return
        known, self._interval = self._interval > 0, median_low(self._intervals)
        self._divisor = divisor(1 / self._interval, self._divisor)
        if not known:
            self._run_seconds = self.nominal_seconds
        # Differences over steps of another length do not compare.
        self._broken |= not 1 / _SAME_STEP < self.nominal_seconds / self._run_seconds < _SAME_STEP


def divisor(fps: float, before: int = 1) -> int:
    """Every how many-th frame of a stream of this rate is taken. before: the one so far, which is slow to change."""
    wanted = fps / TARGET_FPS
    return max(1, round(wanted)) if abs(wanted - before) > _DIVISOR_HYSTERESIS else before
