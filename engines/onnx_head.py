"""The two forms of the head on ONNX Runtime: each turns a stream's new feature map into its newest position."""

from __future__ import annotations

from typing import Protocol

from engines.bound_graph import BoundGraph
from engines.model_folder import HEAD_FILE, INT8_HEAD_FILE
from engines.onnx_graph import FloatArray, OnnxGraph, per_stream
from engines.slot_state import (
    CARRIED_SHAPES,
    MAP_SHAPE,
    NODES_SHAPE,
    POOLED_SIZE,
    SLICE_SHAPE,
    TAPS,
    TERMS_SHAPES,
    MapHistory,
    MotionHistory,
    TermHistory,
)


class StreamHead(Protocol):
    """A head with what it remembers of every stream."""

    @property
    def history(self) -> MapHistory:
        """What is remembered of each slot."""
        ...

    def position(self, slot: int, newest: FloatArray, continues: bool) -> FloatArray:
        """Take a slot's new map; returns the pooled head output (512,) that it completes, which holds until the next
        call."""
        ...


class FullHead:
    """In full precision: three differences at once."""

    def __init__(self, graph: OnnxGraph, history: MotionHistory) -> None:
        self._graph, self.history = graph, history

    @staticmethod
    def load(content: bytes, threads: int) -> OnnxGraph:
        """The graph to construct one with. Raises ModelFolderError where it does not fit."""
        inputs = per_stream((TAPS, *MAP_SHAPE), (TAPS - 1, *SLICE_SHAPE))
        return OnnxGraph(HEAD_FILE, content, threads, inputs, per_stream(SLICE_SHAPE, (POOLED_SIZE,)))

    def position(self, slot: int, newest: FloatArray, continues: bool) -> FloatArray:
        """See `StreamHead`."""
        differences = self.history.push_map(slot, newest, continues)
        slices, positions = self._graph(differences[None], self.history.slices(slot)[None])
        self.history.push_slice(slot, slices[0])
        position: FloatArray = positions[0]
        return position


class Int8Head:
    """Products in 8-bit integers: one difference at a time, what the terms of the two before add to it kept."""

    def __init__(self, graph: BoundGraph, history: TermHistory) -> None:
        self._graph, self.history = graph, history
        self._difference, *self._carried = graph.inputs
        *self._terms, self._position = graph.outputs

    @staticmethod
    def load(content: bytes, threads: int) -> BoundGraph:
        """The graph to construct one with. Raises ModelFolderError where it does not fit."""
        inputs, outputs = [NODES_SHAPE, *CARRIED_SHAPES], [*TERMS_SHAPES, (1, POOLED_SIZE)]
        return BoundGraph(INT8_HEAD_FILE, content, threads, inputs, outputs)

    def position(self, slot: int, newest: FloatArray, continues: bool) -> FloatArray:
        """See `StreamHead`."""
        self.history.push_map(slot, newest, continues, self._difference)
        self.history.read_carried(slot, self._carried)
        self._graph()
        self.history.push_terms(slot, self._terms)
        position: FloatArray = self._position[0]
        return position
