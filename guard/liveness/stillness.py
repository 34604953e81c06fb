"""A frozen picture: the same picture encoded again and again, so that the codec's noise is all that moves.

Compared are crops `SPAN_SECONDS` apart, by when a living face has moved and a codec has not gone anywhere: the mean
change of the eight blocks of 16x16 that changed most, in grey levels, and its median over `WINDOW_SECONDS`. A median,
so that a keyframe, which touches every block once, moves nothing. A freeze shows after about `SPAN_SECONDS` and half
of `WINDOW_SECONDS`.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque

import numpy as np
from numpy.typing import NDArray

SPAN_SECONDS = 0.4
WINDOW_SECONDS = 1.5
STILL_LEVEL = 2.0
"""Grey levels below which the picture is frozen. See README.md here for what real faces and frozen pictures measure."""
MOVING_LEVEL = 2.6
"""Grey levels from which on a frozen picture has come to life."""

_MOST_CHANGED = 8
_MAX_FRAMES = 128
"""Of one window, whatever the time stamps say."""
_MIN_FRAMES = 8


class StillnessWatch:
    """Tells a frozen picture from a face that hardly moves. One participant; time in seconds of media."""

    def __init__(self) -> None:
        self._pictures: deque[tuple[float, NDArray[np.float32]]] = deque(maxlen=_MAX_FRAMES)
        self._changes: deque[tuple[float, float]] = deque()
        self._sorted: list[float] = []
        """The same changes by size."""
        self._generation: int | None = None
        self._frozen = False

    @property
    def frozen(self) -> bool:
        """True while the picture stands still."""
        return self._frozen

    @property
    def level(self) -> float | None:
        """Median change of the window, in grey levels; None while too little is known."""
        if len(self._changes) < _MIN_FRAMES or self._changes[-1][0] - self._changes[0][0] < WINDOW_SECONDS / 2:
            return None
        return self._sorted[len(self._sorted) // 2]

    def step(self, picture: NDArray[np.float32], generation: int, seconds: float) -> None:
        """Take the fingerprint of the next frame, float32 (16, 16); pictures of two crop generations do not compare."""
        if self._pictures and seconds <= self._pictures[-1][0]:
            self._pictures.clear()
            self._changes.clear()
            self._sorted.clear()
        if generation != self._generation:
            self._generation = generation
            self._pictures.clear()
        self._pictures.append((seconds, picture))
        while len(self._pictures) > 1 and seconds - self._pictures[1][0] >= SPAN_SECONDS:
            self._pictures.popleft()
        if seconds - self._pictures[0][0] >= SPAN_SECONDS:
            self._remember(seconds, change(self._pictures[0][1], picture))
        while self._changes and seconds - self._changes[0][0] > WINDOW_SECONDS:
            self._forget_oldest()
        if (level := self.level) is not None:
            self._frozen = level < (MOVING_LEVEL if self._frozen else STILL_LEVEL)

    def _remember(self, seconds: float, level: float) -> None:
        if len(self._changes) == _MAX_FRAMES:
            self._forget_oldest()
        self._changes.append((seconds, level))
        insort(self._sorted, level)

    def _forget_oldest(self) -> None:
        _, level = self._changes.popleft()
        del self._sorted[bisect_left(self._sorted, level)]


def change(before: NDArray[np.float32], after: NDArray[np.float32]) -> float:
    """Mean change of the eight blocks that changed most, in grey levels."""
    changes = (after - before).ravel()
    np.absolute(changes, out=changes)
    changes.partition(changes.size - _MOST_CHANGED)
    return float(np.add.reduce(changes[-_MOST_CHANGED:])) / _MOST_CHANGED
