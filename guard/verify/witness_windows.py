"""From samples of a tracker, at uneven steps, to the windows that a witness takes.

The same as `engines.expressions.series.windows` for samples that come one by one: linear interpolation by media time,
never across a gap.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

from engines.expressions.series import LONGEST_GAP_SECONDS, at_times


class WindowCollector:
    """Collects one series of a seat and gives a window whenever a new one is due."""

    def __init__(self, rate_hz: float, frames: int, hop_seconds: float) -> None:
        """frames: samples of a window (T), at `rate_hz`. hop_seconds: from one window's end to that of the next."""
        self._steps = np.arange(1 - frames, 1) / rate_hz
        self._span = (frames - 1) / rate_hz
        self._hop = hop_seconds
        self._samples: deque[tuple[float, NDArray[np.float32]]] = deque()
        self._newest: float | None = None
        self._last_end = -math.inf

    @property
    def progress(self) -> float:
        """Share of a first window that is there, 0 to 1."""
        if not self._samples:
            return 0.0
        return min(1.0, (self._samples[-1][0] - self._samples[0][0]) / self._span)

    def clear(self) -> None:
        """Forget everything: the next window starts with the next sample."""
        self._samples.clear()
        self._newest = None
        self._last_end = -math.inf

    def add(self, seconds: float, row: NDArray[np.float32] | None) -> NDArray[np.float32] | None:
        """Take the next sample; the newest window, float32 (T, C), where one is due.

        seconds: media time. row: float32 (C,), None where no face was found. A sample of the past is passed over,
        unless time ran back by more than a gap: then the stream began anew.
        """
        if not math.isfinite(seconds) or not self._goes_on(seconds):
            return None
        self._newest = seconds
        if row is None or not np.isfinite(row).all():
            return None
        if self._samples and seconds - self._samples[-1][0] > LONGEST_GAP_SECONDS:
            self._samples.clear()
        self._samples.append((seconds, row))
        while len(self._samples) > 1 and self._samples[1][0] <= seconds - self._span:
            self._samples.popleft()
        # A step that rounding puts before the first sample by less than a microsecond is that sample.
        complete = seconds - self._samples[0][0] >= self._span - 1e-6
        if not complete or seconds - self._last_end < self._hop - 1e-6:
            return None
        self._last_end = seconds
        return self._window(seconds)

    def _goes_on(self, seconds: float) -> bool:
        if self._newest is None or seconds > self._newest:
            return True
        if self._newest - seconds <= LONGEST_GAP_SECONDS:
            return False
        self.clear()
        return True

    def _window(self, end: float) -> NDArray[np.float32]:
        times = np.array([seconds for seconds, _ in self._samples])
        rows = np.stack([row for _, row in self._samples])
        return at_times(end + self._steps, times, rows)
