"""One stream's state on a device: the record that `engines/kernels/README.md` draws and `record.cuh` lays out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from engines.optical_flow import PICTURE_PX
from engines.slot_state import MAP_SHAPE, POSITION_SIZE, SLICE_SHAPE, TAPS

KEPT_MAPS = TAPS
"""Maps before the newest that are kept: as many as there are differences to take."""
KEPT_SLICES = TAPS - 1

HEAD = np.dtype(
    [(name, np.int32) for name in ("run", "map", "slice", "position", "broken", "counted")] + [("unused", np.int32, 2)]
)
"""Counters at the start of a record; `record.cuh` says what they mean."""

_ALIGNMENT = 256
_HALF, _FLOAT, _DOUBLE = 2, 4, 8


@dataclass(frozen=True, slots=True)
class RecordLayout:
    """Where each part of a record begins, in bytes. window: positions that one window holds, at least 1."""

    window: int

    @property
    def sums(self) -> int:
        """double (2, 768): the counting positions' values and their squares, summed."""
        return _ALIGNMENT

    @property
    def slices(self) -> int:
        """half (2, 64, 16, 8)"""
        return self.sums + 2 * POSITION_SIZE * _DOUBLE

    @property
    def maps(self) -> int:
        """half (3, 128, 256)"""
        return self.slices + KEPT_SLICES * math.prod(SLICE_SHAPE) * _HALF

    @property
    def picture(self) -> int:
        """float (64, 64): the halved previous frame."""
        return self.maps + KEPT_MAPS * math.prod(MAP_SHAPE) * _HALF

    @property
    def positions(self) -> int:
        """float (window, 768)"""
        return self.picture + PICTURE_PX**2 * _FLOAT

    @property
    def valid(self) -> int:
        """uint8 (window,): 1 where the position counts."""
        return self.positions + self.window * POSITION_SIZE * _FLOAT

    @property
    def size_bytes(self) -> int:
        """Of the whole record: what one stream costs."""
        return -(-(self.valid + self.window) // _ALIGNMENT) * _ALIGNMENT
