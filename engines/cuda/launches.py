"""One function per kernel of `engines/kernels`: from device addresses and the number of rows to a launch.

`records` is the address of the table of record addresses (uint64), `places` that of the rows' places in it (int32;
below 0 for rows that only fill up a batch); `engines/device_ring.py` keeps both. A step is `advance_runs`,
`measure_flow`, `difference_maps`, `gather_slices`, the head graph, `push_slices`, `push_positions`, in this order.
Every function raises EngineInputError below one row, since no device takes an empty launch.
"""

from __future__ import annotations

import math

import numpy as np

from engines.cuda.device import Launch
from engines.device_record import KEPT_SLICES
from engines.errors import EngineInputError
from engines.protocol import FRAME_SIZE_PX
from engines.slot_state import MAP_SHAPE, SLICE_SHAPE

THREADS = 256
"""Threads of a block, in every kernel."""
_HALVES_PER_THREAD = 8
_PIXELS_PER_THREAD = 16


def reset_records(rows: int, *, records: int, places: int, window: int) -> Launch:
    """Empty the records of streams that begin. window: positions that one window holds."""
    return _launch("reset_records", rows, 1, _address(records), _address(places), np.int32(window))


def advance_runs(rows: int, *, records: int, places: int, continues: int, window: int) -> Launch:
    """Begin a step. continues: uint8 (rows,), 0 where a break lies before the row's frame."""
    blocks = -(-rows // THREADS)
    arguments = (_address(records), _address(places), _address(continues), np.int32(window), np.int32(rows))
    return _launch("advance_runs", blocks, 1, *arguments)


def measure_flow(rows: int, *, records: int, places: int, frames: int, flow: int) -> Launch:
    """Take new frames, uint8 (rows, 128, 128), and write their flow since the ones before, float32 (rows, 256)."""
    return _launch("measure_flow", rows, 1, *map(_address, (records, places, frames, flow)))


def difference_maps(rows: int, *, records: int, places: int, maps: int, differences: int, energy: int) -> Launch:
    """Take new maps, half (rows, 128, 256), and write the three newest differences, half (rows, 3, 128, 256), oldest
    first, and the newest one's mean magnitude per channel, float32 (rows, 128)."""
    blocks_per_row = math.prod(MAP_SHAPE) // (_HALVES_PER_THREAD * THREADS)
    arguments = map(_address, (records, places, maps, differences, energy))
    return _launch("difference_maps", rows, blocks_per_row, *arguments)


def gather_slices(rows: int, *, records: int, places: int, earlier: int) -> Launch:
    """Write the two slices before the new one, half (rows, 2, 64, 16, 8), oldest first."""
    blocks_per_row = KEPT_SLICES * math.prod(SLICE_SHAPE) // (_HALVES_PER_THREAD * THREADS)
    return _launch("gather_slices", rows, blocks_per_row, *map(_address, (records, places, earlier)))


def push_slices(rows: int, *, records: int, places: int, slices: int) -> Launch:
    """Take new slices, half (rows, 64, 16, 8)."""
    blocks_per_row = math.prod(SLICE_SHAPE) // (_HALVES_PER_THREAD * THREADS)
    return _launch("push_slices", rows, blocks_per_row, *map(_address, (records, places, slices)))


def push_positions(
    rows: int, *, records: int, places: int, pooled: int, flow: int, moments: int, valid_fraction: int, window: int
) -> Launch:
    """Take new positions, in two parts, float32 (rows, 512) and (rows, 256), and write their windows' moments, float32
    (rows, 1536), and the share of the window that counts, float32 (rows,)."""
    arguments = map(_address, (records, places, pooled, flow, moments, valid_fraction))
    return _launch("push_positions", rows, 1, *arguments, np.int32(window))


def normalise_luma(rows: int, *, frames: int, normal: int, pixel_mean: float, pixel_std: float) -> Launch:
    """Frames uint8 (rows, 128, 128) to half of the same shape: (pixel / 255 - pixel_mean) / pixel_std."""
    blocks_per_row = FRAME_SIZE_PX * FRAME_SIZE_PX // (_PIXELS_PER_THREAD * THREADS)
    scale, shift = np.float32(1 / (255 * pixel_std)), np.float32(-pixel_mean / pixel_std)
    return _launch("normalise_luma", rows, blocks_per_row, _address(frames), _address(normal), scale, shift)


def _launch(kernel: str, rows: int, blocks_per_row: int, *arguments: np.generic) -> Launch:
    if rows < 1:
        raise EngineInputError(f"{kernel}: a launch needs at least 1 row, got {rows}")
    return Launch(kernel, (rows * blocks_per_row, 1, 1), (THREADS, 1, 1), arguments)


def _address(value: int) -> np.uint64:
    return np.uint64(value)
