"""What an engine remembers of each stream between two frames, in numpy."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engines.optical_flow import FLOW_SIZE

_LAP_ROWS = 12

FloatArray = NDArray[np.float32]
Slots = NDArray[np.int32]

MAP_SHAPE = (128, 16, 16)
SLICE_SHAPE = (64, 16, 8)
NODES = 256
NODES_SHAPE = (NODES, 128)
"""The same map on a CPU that uses the graphs for CPUs: a row for each place, row by row."""
TERMS_SHAPES = ((128, 192), (64, 96))
"""What the 8-bit head makes of one difference and of one slice: nodes by outputs of all three taps, oldest first."""
CARRIED_SHAPES = ((128, 64), (64, 32))
"""What two earlier frames' terms add to a slice and to a position: nodes by outputs."""
POOLED_SIZE = 512
"""What the head makes of one position."""
POSITION_SIZE = POOLED_SIZE + FLOW_SIZE
"""Length of one position: the pooled head output, then the flow of its newest frame."""
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


class MapHistory:
    """Per slot: the previous map, and how long frames have followed on. What a head needs besides, it adds."""

    def __init__(self, slots: int) -> None:
        self._maps: list[FloatArray | None] = [None] * slots
        self._run_frames = np.zeros(slots, np.int64)

    @property
    def slot_bytes(self) -> int:
        """Memory of one slot that has had a frame."""
        return math.prod(MAP_SHAPE) * np.dtype(np.float32).itemsize

    def reset(self, slot: int) -> None:
        """Forget one slot's map. What else is kept of it may stay: it counts for nothing while the run is short."""
        self._maps[slot] = None
        self._run_frames[slot] = 0

    def _replace_map(self, slot: int, newest: FloatArray, continues: bool, difference: FloatArray) -> None:
        """Take a slot's new map and write what changed to `difference`.

        No difference is taken across a break or from nothing: it is zero there, and the run starts again. The map is
        kept, not copied.
        """
        previous = self._maps[slot]
        if continues and previous is not None:
            np.subtract(newest, previous, out=difference)
            self._run_frames[slot] += 1
        else:
            difference.fill(0)
            self._run_frames[slot] = 1
        self._maps[slot] = newest

    def run_frames(self, slots: Slots) -> NDArray[np.int64]:
        """Frames since the last break, the newest included."""
        return self._run_frames[slots]


class MotionHistory(MapHistory):
    """Per slot: the previous map and the newest differences and slices, for the head in full precision."""

    def __init__(self, slots: int) -> None:
        super().__init__(slots)
        self._differences = NewestRows(slots, MAP_SHAPE)
        self._slices = NewestRows(slots, SLICE_SHAPE)

    @property
    def slot_bytes(self) -> int:
        """Memory of one slot that has had a frame: previous map, differences, slices."""
        return super().slot_bytes + self._differences.slot_bytes + self._slices.slot_bytes

    def push_map(self, slot: int, newest: FloatArray, continues: bool) -> FloatArray:
        """Take a slot's new map; returns its three newest differences (3, 128, 16, 16), oldest first."""
        self._replace_map(slot, newest, continues, self._differences.append(slot))
        return self._differences.newest(slot, TAPS)

    def slices(self, slot: int) -> FloatArray:
        """The two slices before the new one: (2, 64, 16, 8), oldest first."""
        return self._slices.newest(slot, TAPS - 1)

    def push_slice(self, slot: int, newest: FloatArray) -> None:
        """Take a slot's new slice (64, 16, 8)."""
        self._slices.append(slot)[:] = newest


class TermHistory(MapHistory):
    """Per slot: the previous map, and what the 8-bit head's terms of earlier frames add to the two that come next."""

    def __init__(self, slots: int) -> None:
        super().__init__(slots)
        self._to_next = [np.zeros((slots, *shape), np.float32) for shape in CARRIED_SHAPES]
        self._to_one_after = [np.zeros((slots, *shape), np.float32) for shape in CARRIED_SHAPES]

    @property
    def slot_bytes(self) -> int:
        """Memory of one slot that has had a frame: previous map, sums of terms."""
        return super().slot_bytes + sum(map(_bytes_per_slot, [*self._to_next, *self._to_one_after]))

    def push_map(self, slot: int, newest: FloatArray, continues: bool, difference: FloatArray) -> None:
        """Take a slot's new map (256, 128) and write its difference."""
        self._replace_map(slot, newest, continues, difference)

    def read_carried(self, slot: int, carried: Sequence[FloatArray]) -> None:
        """Write what the two frames before add to the new one's slice (128, 64) and position (64, 32)."""
        for to_next, place in zip(self._to_next, carried, strict=True):
            np.copyto(place, to_next[slot])

    def push_terms(self, slot: int, terms: Sequence[FloatArray]) -> None:
        """Take those of the new frame, (128, 192) and (64, 96)."""
        for to_next, to_one_after, new in zip(self._to_next, self._to_one_after, terms, strict=True):
            outputs = new.shape[1] // TAPS
            np.add(to_one_after[slot], new[:, outputs : 2 * outputs], out=to_next[slot])
            np.copyto(to_one_after[slot], new[:, :outputs])


class PositionWindow:
    """Per slot: a ring of the positions of the last `positions` frames, which of them count, and their sums.

    The sums, of the values and of their squares, are kept, not recomputed, so that a step costs the same for every
    window length. They are kept in float64, since the variance is their small difference, and set anew from the ring
    once per lap: rounding can then never build up over a call of hours, at an amortised cost of one added row per step.
    """

    def __init__(self, slots: int, positions: int) -> None:
        self._positions = positions
        self._values = np.zeros((slots, positions, POSITION_SIZE), np.float32)
        self._valid = np.zeros((slots, positions), np.bool_)
        self._sums = np.zeros((slots, 2, POSITION_SIZE), np.float64)
        self._cursor = [0] * slots
        self._counted = [0] * slots

    @property
    def slot_bytes(self) -> int:
        """Memory of one slot: values, which of them count, sums."""
        return sum(map(_bytes_per_slot, (self._values, self._valid, self._sums)))

    def reset(self, slot: int) -> None:
        """Empty one slot's window."""
        self._values[slot] = 0
        self._valid[slot] = False
        self._sums[slot] = 0
        self._cursor[slot] = self._counted[slot] = 0

    def push(self, slots: Slots, values: FloatArray, valid: NDArray[np.bool_]) -> None:
        """Take each slot's new position (n, 768); one that does not count is stored as zeros and marked so."""
        # Slot by slot: whole rows at plain places take a third of the time of one selection by arrays of indices.
        for slot, value, counts in zip(slots.tolist(), values, valid.tolist(), strict=True):
            self._push(slot, value if counts else _NOTHING, counts)

    def moments(self, slots: Slots) -> tuple[FloatArray, NDArray[np.float32]]:
        """Mean and variance over the positions that count, and their share of the window.

        (n, 1536), the means first, zeros where no position counts; and (n,).
        """
        moments = np.empty((slots.size, 2 * POSITION_SIZE), np.float32)
        for row, slot in zip(moments, slots.tolist(), strict=True):
            mean, square = self._sums[slot] / max(self._counted[slot], 1)
            row[:POSITION_SIZE] = mean
            row[POSITION_SIZE:] = np.maximum(square - mean * mean, 0)
        return moments, np.array([self._counted[slot] / self._positions for slot in slots.tolist()], np.float32)

    def _push(self, slot: int, value: FloatArray, counts: bool) -> None:
        cursor = self._cursor[slot]
        place = self._values[slot, cursor]
        entering, leaving = value.astype(np.float64), place.astype(np.float64)
        total, squares = self._sums[slot]
        total += entering - leaving
        squares += entering * entering - leaving * leaving
        place[:] = value
        self._counted[slot] += counts - int(self._valid[slot, cursor])
        self._valid[slot, cursor] = counts
        self._cursor[slot] = (cursor + 1) % self._positions
        if cursor == self._positions - 1:
            lap = self._values[slot].astype(np.float64)
            self._sums[slot] = lap.sum(axis=0), (lap * lap).sum(axis=0)


_NOTHING = np.zeros(POSITION_SIZE, np.float32)


def _bytes_per_slot(array: NDArray[np.generic]) -> int:
    return math.prod(array.shape[1:]) * array.itemsize
