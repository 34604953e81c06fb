"""What an engine remembers of each stream between two frames, in numpy."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_LAP_ROWS = 12

FloatArray = NDArray[np.float32]
Slots = NDArray[np.int32]

MAP_SHAPE = (128, 16, 16)
SLICE_SHAPE = (64, 16, 8)
POSITION_SIZE = 512
TAPS = 3
"""Differences and slices that one new output of the head looks at."""
TEMPORAL_MARGIN = 1 + 2 * (TAPS - 1)
"""Frames that one position sees before its newest: one for the difference, two for each temporal convolution."""


class NewestRows:
    """Per slot: the newest arrays of a kind, always side by side in memory and in time order.

    They can so be handed to a graph as they lie: copying them together for every frame took a tenth of the step. A
    slot's rows wander through a buffer of `_LAP_ROWS`; at its end the last few are moved to the front once.
    """

    def __init__(self, slots: int, shape: tuple[int, ...]) -> None:
        self._rows = np.zeros((slots, _LAP_ROWS, *shape), np.float32)
        self._end = [TAPS - 1] * slots

    @property
    def slot_bytes(self) -> int:
        """Of one slot's buffer."""
        return _bytes_per_slot(self._rows)

    def append(self, slot: int) -> FloatArray:
        """The place of the slot's next row, to be written by the caller."""
        end = self._end[slot]
        if end == _LAP_ROWS:
            self._rows[slot, : TAPS - 1] = self._rows[slot, 1 - TAPS :]
            end = TAPS - 1
        self._end[slot] = end + 1
        place: FloatArray = self._rows[slot, end]
        return place

    def newest(self, slot: int, count: int) -> FloatArray:
        """The last `count` rows (at most `TAPS`; before the last `append` at most `TAPS` - 1), oldest first: a view."""
        end = self._end[slot]
        return self._rows[slot, end - count : end]


class MotionHistory:
    """Per slot: the previous map, the newest differences and slices, and how long frames have followed on."""

    def __init__(self, slots: int) -> None:
        self._previous: list[FloatArray | None] = [None] * slots
        self._differences = NewestRows(slots, MAP_SHAPE)
        self._slices = NewestRows(slots, SLICE_SHAPE)
        self._run_frames = np.zeros(slots, np.int64)

    @property
    def slot_bytes(self) -> int:
        """Memory of one slot that has had a frame: previous map, differences, slices."""
        previous = math.prod(MAP_SHAPE) * np.dtype(np.float32).itemsize
        return previous + self._differences.slot_bytes + self._slices.slot_bytes

    def reset(self, slot: int) -> None:
        """Old differences and slices may stay: they count for nothing while the run is short."""
        self._previous[slot] = None
        self._run_frames[slot] = 0

    def push_map(self, slot: int, newest: FloatArray, continues: bool) -> FloatArray:
        """Take a slot's new map; returns its three newest differences (3, 128, 16, 16), oldest first.

        No difference is taken across a break or from nothing: it is zero there, and the run starts again. The map is
        kept, not copied.
        """
        previous, place = self._previous[slot], self._differences.append(slot)
        if continues and previous is not None:
            np.subtract(newest, previous, out=place)
            self._run_frames[slot] += 1
        else:
            place.fill(0)
            self._run_frames[slot] = 1
        self._previous[slot] = newest
        return self._differences.newest(slot, TAPS)

    def slices(self, slot: int) -> FloatArray:
        """The two slices before the new one: (2, 64, 16, 8), oldest first."""
        return self._slices.newest(slot, TAPS - 1)

    def push_slice(self, slot: int, newest: FloatArray) -> None:
        """Take a slot's new slice (64, 16, 8)."""
        self._slices.append(slot)[:] = newest

    def run_frames(self, slots: Slots) -> NDArray[np.int64]:
        """Frames since the last break, the newest included."""
        return self._run_frames[slots]


class PositionWindow:
    """Per slot: a ring of the pooled vectors of the last `positions` frames, which of them count, and their sums.

    The sums, of the values and of their squares, are kept, not recomputed, so that a step costs the same for every
    window length. They are kept in float64, since the variance is their small difference, and set anew from the ring
    once per lap: rounding can then never build up over a call of hours, at an amortised cost of one added row per step.
    """

    def __init__(self, slots: int, positions: int) -> None:
        self._positions = positions
        self._values = np.zeros((slots, positions, POSITION_SIZE), np.float32)
        self._valid = np.zeros((slots, positions), np.bool_)
        self._sums = np.zeros((slots, 2, POSITION_SIZE), np.float64)
        self._cursor = np.zeros(slots, np.int64)

    @property
    def slot_bytes(self) -> int:
        """Memory of one slot: values, which of them count, sums."""
        return sum(map(_bytes_per_slot, (self._values, self._valid, self._sums)))

    def reset(self, slot: int) -> None:
        """Empty one slot's window."""
        self._values[slot] = 0
        self._valid[slot] = False
        self._sums[slot] = 0
        self._cursor[slot] = 0

    def push(self, slots: Slots, values: FloatArray, valid: NDArray[np.bool_]) -> None:
        """Take each slot's new position (n, 512); one that does not count is stored as zeros and marked so."""
        counted = np.where(valid[:, None], values, np.float32(0))
        cursor = self._cursor[slots]
        self._sums[slots] += _powers(counted) - _powers(self._values[slots, cursor])
        self._values[slots, cursor] = counted
        self._valid[slots, cursor] = valid
        self._cursor[slots] = (cursor + 1) % self._positions
        for slot in slots[cursor == self._positions - 1]:
            self._sums[slot] = _powers(self._values[slot]).sum(axis=0)

    def moments(self, slots: Slots) -> tuple[FloatArray, NDArray[np.float32]]:
        """Mean and variance over the positions that count, and their share of the window.

        (n, 1024), the means first, zeros where no position counts; and (n,).
        """
        count = self._valid[slots].sum(axis=1)
        mean, square = (self._sums[slots] / np.maximum(count, 1)[:, None, None]).transpose(1, 0, 2)
        variance = np.maximum(square - mean * mean, 0)
        return np.concatenate([mean, variance], axis=1).astype(np.float32), (count / self._positions).astype(np.float32)


def _bytes_per_slot(array: NDArray[np.generic]) -> int:
    return math.prod(array.shape[1:]) * array.itemsize


def _powers(values: FloatArray) -> NDArray[np.float64]:
    """Values (n, size) and their squares, (n, 2, size)."""
    exact = values.astype(np.float64)
    return np.stack([exact, exact * exact], axis=1)
