"""A frozen picture: the same picture encoded again and again, so that the codec's noise is all that moves.

Compared are crops `SPAN_SECONDS` apart, by when a living face has moved and a codec has not gone anywhere: the mean
change of the eight blocks of 16x16 that changed most, in grey levels, and its median over `WINDOW_SECONDS`. A median,
so that a keyframe, which touches every block once, moves nothing. A freeze shows after about `SPAN_SECONDS` and half
of `WINDOW_SECONDS`.
"""

from __future__ import annotations

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
        self._changes: deque[tuple[float, float]] = deque(maxlen=_MAX_FRAMES)
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
        changes = sorted(change for _, change in self._changes)
        return changes[len(changes) // 2]

    def step(self, picture: NDArray[np.float32], generation: int, seconds: float) -> None:
        """Take the fingerprint of the next frame, float32 (16, 16); pictures of two crop generations do not compare."""
        if self._pictures and seconds <= self._pictures[-1][0]:
            self._pictures.clear()
            self._changes.clear()
        if generation != self._generation:
            self._generation = generation
            self._pictures.clear()
        self._pictures.append((seconds, picture))
        while len(self._pictures) > 1 and seconds - self._pictures[1][0] >= SPAN_SECONDS:
            self._pictures.popleft()
        if seconds - self._pictures[0][0] >= SPAN_SECONDS:
            self._changes.append((seconds, change(self._pictures[0][1], picture)))
        while self._changes and seconds - self._changes[0][0] > WINDOW_SECONDS:
            self._changes.popleft()
        if (level := self.level) is not None:
            self._frozen = level < (MOVING_LEVEL if self._frozen else STILL_LEVEL)


def change(before: NDArray[np.float32], after: NDArray[np.float32]) -> float:
    """Mean change of the eight blocks that changed most, in grey levels."""
    changes = np.abs(after - before).ravel()
    changes.partition(changes.size - _MOST_CHANGED)
    return float(changes[-_MOST_CHANGED:].sum()) / _MOST_CHANGED
