"""The numbers that CUDA and Python each have for themselves are the same."""

from __future__ import annotations

import ctypes
import math
from pathlib import Path

from engines.cuda import launches
from engines.device_record import HEAD, KEPT_MAPS, KEPT_SLICES, RecordLayout
from engines.optical_flow import FLOW_SIZE, GRID, MEDIAN, PICTURE_PX
from engines.slot_state import MAP_SHAPE, POOLED_SIZE, POSITION_SIZE, SLICE_SHAPE, TEMPORAL_MARGIN

NAMES = (
    *("channels", "map_values", "slice_values", "pooled_values", "flow_values", "position_values"),
    *("picture_side", "grid", "median", "kept_maps", "kept_slices", "temporal_margin"),
    *("threads", "head_bytes", "run", "map", "slice", "position", "broken", "counted"),
    *("sums", "slices", "maps", "picture", "positions"),
)


def test_kernels_and_python_agree_on_sizes_and_offsets(host_library: Path) -> None:
    found = (ctypes.c_uint64 * len(NAMES))()
    ctypes.CDLL(str(host_library)).host_layout(found)
    layout = RecordLayout(59)
    fields = HEAD.fields
    assert fields is not None
    assert dict(zip(NAMES, found, strict=True)) == {
        "channels": MAP_SHAPE[0],
        "map_values": math.prod(MAP_SHAPE),
        "slice_values": math.prod(SLICE_SHAPE),
        "pooled_values": POOLED_SIZE,
        "flow_values": FLOW_SIZE,
        "position_values": POSITION_SIZE,
        "picture_side": PICTURE_PX,
        "grid": GRID,
        "median": MEDIAN,
        "kept_maps": KEPT_MAPS,
        "kept_slices": KEPT_SLICES,
        "temporal_margin": TEMPORAL_MARGIN,
        "threads": launches.THREADS,
        "head_bytes": HEAD.itemsize,
        **{name: fields[name][1] for name in ("run", "map", "slice", "position", "broken", "counted")},
        "sums": layout.sums,
        "slices": layout.slices,
        "maps": layout.maps,
        "picture": layout.picture,
        "positions": layout.positions,
    }


def test_parts_of_a_record_lie_on_16_bytes_and_do_not_overlap() -> None:
    for window in (1, 59, 64, 1000):
        layout = RecordLayout(window)
        starts = [layout.sums, layout.slices, layout.maps, layout.picture, layout.positions, layout.valid]
        sizes = [
            2 * POSITION_SIZE * 8,
            KEPT_SLICES * math.prod(SLICE_SHAPE) * 2,
            KEPT_MAPS * math.prod(MAP_SHAPE) * 2,
            PICTURE_PX**2 * 4,
            window * POSITION_SIZE * 4,
            window,
        ]
        assert HEAD.itemsize <= starts[0]
        assert all(start % 16 == 0 for start in starts)
        ends = [start + size for start, size in zip(starts, sizes, strict=True)]
        assert all(end <= start for end, start in zip(ends, [*starts[1:], layout.size_bytes], strict=True))
        assert layout.size_bytes % 256 == 0


def test_a_stream_of_the_shipped_engine_costs_430_kib() -> None:
    assert RecordLayout(59).size_bytes == 439_808
