"""What an engine remembers of each stream between two frames, in numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
Slots = NDArray[np.int32]

MAP_SHAPE = (128, 16, 16)
SLICE_SHAPE = (64, 16, 8)
POSITION_SIZE = 512
TAPS = 3
"""Differences and slices that one new output of the head looks at."""
TEMPORAL_MARGIN = 1 + 2 * (TAPS - 1)
"""Frames that one position sees before its newest: one for the difference, two for each temporal convolution."""


class MotionHistory:
    """Per slot: the previous map, the two newest differences and slices, and how long frames have followed on."""

    def __init__(self, slots: int) -> None:
        self._previous = np.zeros((slots, *MAP_SHAPE), np.float32)
        self._differences = np.zeros((slots, TAPS - 1, *MAP_SHAPE), np.float32)
        self._slices = np.zeros((slots, TAPS - 1, *SLICE_SHAPE), np.float32)
        self._run_frames = np.zeros(slots, np.int64)

    def reset(self, slot: int) -> None:
        """Only the run is forgotten: what the arrays still hold counts for nothing while the run is short."""
        self._run_frames[slot] = 0

    def push_maps(self, slots: Slots, maps: FloatArray, continues: NDArray[np.bool_]) -> FloatArray:
        """Take each slot's new map; returns its three newest differences (n, 3, 128, 16, 16), oldest first.

        No difference is taken across a break or from nothing: it is zero there, and the run starts again.
        """
        follows = continues & (self._run_frames[slots] > 0)
        self._run_frames[slots] = np.where(follows, self._run_frames[slots] + 1, 1)
        newest = np.empty((slots.size, TAPS, *MAP_SHAPE), np.float32)
        newest[:, :-1] = self._differences[slots]
        np.subtract(maps, self._previous[slots], out=newest[:, -1])
        newest[~follows, -1] = 0
        self._previous[slots] = maps
        self._differences[slots] = newest[:, 1:]
        return newest

    def slices(self, slots: Slots) -> FloatArray:
        """The two slices before the new one: (n, 2, 64, 16, 8), oldest first."""
        return self._slices[slots]

    def push_slices(self, slots: Slots, newest: FloatArray) -> None:
        """Take each slot's new slice (n, 64, 16, 8)."""
        self._slices[slots, :-1] = self._slices[slots, 1:]
        self._slices[slots, -1] = newest

    def run_frames(self, slots: Slots) -> NDArray[np.int64]:
        """Frames since the last break, the newest included."""
        return self._run_frames[slots]


class PositionWindow:
    """Per slot: a ring of the pooled vectors of the last `positions` frames, which of them count, and their sum.

    The sum is kept, not recomputed, so that a step costs the same for every window length. It is kept in float64 and
    set anew from the ring once per lap: rounding can then never build up over a call of hours, at an amortised cost
    of one added row per step.
    """

    def __init__(self, slots: int, positions: int) -> None:
        self._positions = positions
        self._values = np.zeros((slots, positions, POSITION_SIZE), np.float32)
        self._valid = np.zeros((slots, positions), np.bool_)
        self._sum = np.zeros((slots, POSITION_SIZE), np.float64)
        self._cursor = np.zeros(slots, np.int64)

    def reset(self, slot: int) -> None:
        """Empty one slot's window."""
        self._values[slot] = 0
        self._valid[slot] = False
        self._sum[slot] = 0
        self._cursor[slot] = 0

    def push(self, slots: Slots, values: FloatArray, valid: NDArray[np.bool_]) -> None:
        """Take each slot's new position (n, 512); one that does not count is stored as zeros and marked so."""
        counted = np.where(valid[:, None], values, np.float32(0))
        cursor = self._cursor[slots]
        self._sum[slots] += counted.astype(np.float64) - self._values[slots, cursor]
        self._values[slots, cursor] = counted
        self._valid[slots, cursor] = valid
        self._cursor[slots] = (cursor + 1) % self._positions
        for slot in slots[cursor == self._positions - 1]:
            self._sum[slot] = self._values[slot].sum(axis=0, dtype=np.float64)

    def means(self, slots: Slots) -> tuple[FloatArray, NDArray[np.float32]]:
        """Mean over the positions that count, (n, 512), zeros where none does, and their share of the window, (n,)."""
        count = self._valid[slots].sum(axis=1)
        mean = self._sum[slots] / np.maximum(count, 1)[:, None]
        return mean.astype(np.float32), (count / self._positions).astype(np.float32)
