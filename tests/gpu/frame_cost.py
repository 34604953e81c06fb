"""The least that a frame costs the device: bytes that cross the bus and its memory whatever computes the graphs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from engines.device_graphs import DeviceGraphs
from engines.optical_flow import FLOW_SIZE, PICTURE_PX
from engines.slot_state import POSITION_SIZE, SLICE_SHAPE
from engines.step_input import FRAME_SHAPE
from tests.gpu.difference_load import BYTES_PER_ROW

_SLICE_BYTES = 2 * math.prod(SLICE_SHAPE)
_SLICES = 2 * (2 * _SLICE_BYTES) + 2 * _SLICE_BYTES
"""Two earlier slices laid out, the new one pushed: read and written."""
_POSITIONS = 4 * POSITION_SIZE * (1 + 1 + 1) + 2 * (2 * 8 * POSITION_SIZE) + 4 * 2 * POSITION_SIZE
"""The new position read and written, the leaving one read, sums read and written, moments written."""

_FLOW = math.prod(FRAME_SHAPE) + 2 * 4 * PICTURE_PX**2 + 4 * FLOW_SIZE
"""The frame read once more, the halved one before it read and replaced, flow written."""


@dataclass(frozen=True, slots=True)
class FrameCost:
    """uploaded_bytes: over the bus. moved_bytes: read and written in device memory, without what the graphs keep
    between their own layers."""

    uploaded_bytes: int
    moved_bytes: int


def frame_cost(graphs: DeviceGraphs) -> FrameCost:
    """Every tensor at the ends of a graph crosses memory once for the graph; the kernels' share is theirs by design."""
    uploaded = math.prod(FRAME_SHAPE)
    ends = sum(tensor.row_bytes for graph in graphs.all for tensor in graph.tensors)
    return FrameCost(uploaded, uploaded + ends + BYTES_PER_ROW + _SLICES + _FLOW + _POSITIONS)
