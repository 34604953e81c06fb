"""The two forms of the head on ONNX Runtime: each turns a stream's new feature map into its newest position."""

from __future__ import annotations

from typing import Protocol

from engines.model_folder import HEAD_FILE, INT8_HEAD_FILE
from engines.onnx_graph import FloatArray, OnnxGraph, per_stream
from engines.slot_state import (
    MAP_SHAPE,
    POSITION_SIZE,
    SLICE_SHAPE,
    SLICE_TERMS_SHAPE,
    TAPS,
    TERMS_SHAPE,
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
        """Take a slot's new map (128, 16, 16); returns the pooled head output (512,) that it completes."""
        ...


class FullHead:
    """In full precision: three differences at once."""

    def __init__(self, graph: OnnxGraph, history: MotionHistory) -> None:
        self._graph, self.history = graph, history

    @staticmethod
    def load(content: bytes, threads: int) -> OnnxGraph:
        """The graph to construct one with. Raises ModelFolderError where it does not fit."""
        inputs = per_stream((TAPS, *MAP_SHAPE), (TAPS - 1, *SLICE_SHAPE))
        return OnnxGraph(HEAD_FILE, content, threads, inputs, per_stream(SLICE_SHAPE, (POSITION_SIZE,)))

    def position(self, slot: int, newest: FloatArray, continues: bool) -> FloatArray:
        """See `StreamHead`."""
        differences = self.history.push_map(slot, newest, continues)
        slices, positions = self._graph(differences[None], self.history.slices(slot)[None])
        self.history.push_slice(slot, slices[0])
        position: FloatArray = positions[0]
        return position


class Int8Head:
    """Products in 8-bit integers: one difference at a time, the terms of the two before kept."""

    def __init__(self, graph: OnnxGraph, history: TermHistory) -> None:
        self._graph, self.history = graph, history

    @staticmethod
    def load(content: bytes, threads: int) -> OnnxGraph:
        """The graph to construct one with. Raises ModelFolderError where it does not fit."""
        inputs = [(1, *MAP_SHAPE), TERMS_SHAPE, TERMS_SHAPE, SLICE_TERMS_SHAPE, SLICE_TERMS_SHAPE]
        outputs = [TERMS_SHAPE, SLICE_TERMS_SHAPE, (1, POSITION_SIZE)]
        return OnnxGraph(INT8_HEAD_FILE, content, threads, inputs, outputs)

    def position(self, slot: int, newest: FloatArray, continues: bool) -> FloatArray:
        """See `StreamHead`."""
        difference = self.history.push_map(slot, newest, continues)
        terms, slice_terms, positions = self._graph(difference[None], *self.history.terms(slot))
        self.history.push_terms(slot, terms, slice_terms)
        position: FloatArray = positions[0]
        return position
