"""The two forms of the backbone on ONNX Runtime: each turns one frame into its feature map."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engines.bound_graph import BoundGraph
from engines.model_folder import BACKBONE_FILE, CPU_BACKBONE_FILE
from engines.onnx_graph import FloatArray, OnnxGraph, per_stream
from engines.slot_state import MAP_SHAPE, NODES_SHAPE
from engines.step_input import FRAME_SHAPE


class FrameBackbone(Protocol):
    """A backbone."""

    def __call__(self, frame: NDArray[np.uint8]) -> FloatArray:
        """The map of a frame (128, 128), in an array that the caller may keep."""
        ...


class MapBackbone:
    """The graph that every backend runs: maps (128, 16, 16)."""

    def __init__(self, content: bytes, threads: int) -> None:
        """Raises ModelFolderError for a graph that does not fit."""
        self._graph = OnnxGraph(BACKBONE_FILE, content, threads, per_stream(FRAME_SHAPE), per_stream(MAP_SHAPE))

    def __call__(self, frame: NDArray[np.uint8]) -> FloatArray:
        """See `FrameBackbone`."""
        (maps,) = self._graph(frame[None])
        first: FloatArray = maps[0]
        return first


class NodeBackbone:
    """The graph for CPUs: maps as nodes (256, 128)."""

    def __init__(self, content: bytes, threads: int) -> None:
        """Raises ModelFolderError for a graph that does not fit."""
        self._graph = BoundGraph(CPU_BACKBONE_FILE, content, threads, [(1, 1, *FRAME_SHAPE)], [NODES_SHAPE])

    def __call__(self, frame: NDArray[np.uint8]) -> FloatArray:
        """See `FrameBackbone`."""
        self._graph.inputs[0][0, 0] = frame
        self._graph()
        nodes: FloatArray = self._graph.outputs[0].copy()
        return nodes
