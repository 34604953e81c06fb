"""The engine on ONNX Runtime, CPU: the default backend, needs neither torch nor a GPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from engines.errors import EngineInputError, ModelFolderError
from engines.model_folder import EMBEDDING_FILE, ModelFolder
from engines.onnx_backbone import FrameBackbone, MapBackbone, NodeBackbone
from engines.onnx_graph import OnnxGraph, per_stream
from engines.onnx_head import FullHead, Int8Head, StreamHead
from engines.optical_flow import FlowHistory
from engines.protocol import Batching, EngineSpec, EngineStatus, StepResult
from engines.slot_state import (
    POOLED_SIZE,
    POSITION_SIZE,
    TEMPORAL_MARGIN,
    MotionHistory,
    PositionWindow,
    TermHistory,
)
from engines.stage_clock import StageClock
from engines.step_input import check_step

_BATCHING = Batching(max_frames=8, wait_seconds=0.0)
"""Frames are computed one by one: waiting gains nothing, and with 8 a step takes about 10 ms of a core."""

_NewHead = Callable[[int], StreamHead]
"""Makes a head with room for so many streams."""

_Part = TypeVar("_Part")


class OnnxEngine:
    """`engines.protocol.Engine` on the CPU.

    It runs the graphs for CPUs, the head's in 8-bit integers, where the folder holds them, else those of every backend.

    threads: threads inside one operator. One is the best use of a core when several engines or decoders share the
    machine; more help only a single engine on idle cores.
    clock: counts the stages backbone, difference (all that is kept of maps and slices), head, flow, pooling and
    embedding.
    """

    def __init__(self, model: ModelFolder, *, threads: int = 1, clock: StageClock | None = None) -> None:
        if model.spec.temporal_margin != TEMPORAL_MARGIN:
            raise ModelFolderError(
                f"engine {model.spec.name}: temporal margin {model.spec.temporal_margin}, "
                f"this version computes heads with {TEMPORAL_MARGIN}"
            )
        self._spec, self._clock = model.spec, clock
        moments, embeddings = per_stream((2 * POSITION_SIZE,)), per_stream((model.spec.embedding_size,))
        embedding = OnnxGraph(EMBEDDING_FILE, model.embedding, threads, moments, embeddings)
        self._embedding = self._watched("embedding", embedding)
        self._backbone: FrameBackbone
        if model.for_cpu is None:
            self._backbone = self._watched("backbone", MapBackbone(model.backbone, threads))
            full = self._watched("head", FullHead.load(model.head, threads))
            self._new_head: _NewHead = lambda slots: FullHead(full, self._watched("difference", MotionHistory(slots)))
            precision = "fp32"
        else:
            self._backbone = self._watched("backbone", NodeBackbone(model.for_cpu.backbone, threads))
            int8 = self._watched("head", Int8Head.load(model.for_cpu.int8_head, threads))
            self._new_head = lambda slots: Int8Head(int8, self._watched("difference", TermHistory(slots)))
            precision = "fp32, head int8"
        self._status = EngineStatus("onnx", precision, f"cpu, {threads} thread(s)", None)
        self._make_room(0)

    @property
    def spec(self) -> EngineSpec:
        return self._spec

    @property
    def status(self) -> EngineStatus:
        return self._status

    @property
    def batching(self) -> Batching:
        return _BATCHING

    @property
    def stream_bytes(self) -> int:
        return self._head.history.slot_bytes + self._flow.slot_bytes + self._window.slot_bytes

    def open(self, slots: int) -> None:
        """Make room for `slots` streams, numbered from 0, all empty. Raises EngineInputError below 1."""
        if slots < 1:
            raise EngineInputError(f"an engine needs room for at least 1 stream, got {slots}")
        self._make_room(slots)

    def reset(self, slot: int) -> None:
        """Forget one stream. Raises EngineInputError for a slot that does not exist."""
        if not 0 <= slot < self._slots:
            raise EngineInputError(f"slot {slot} does not exist, the engine is open for {self._slots}")
        self._head.history.reset(slot)
        self._flow.reset(slot)
        self._window.reset(slot)

    def step(self, slots: NDArray[np.int32], frames: NDArray[np.uint8], continues: NDArray[np.bool_]) -> StepResult:
        """Take one new frame for each named slot; see `engines.protocol.Engine.step`."""
        check_step(self._slots, slots, frames, continues)
        # All backbones, then all heads, so that the weights and the code of each stay in the core's cache; but one
        # stream at a time: a run over several takes longer per stream, since the intermediates of one frame (about
        # 1 MB) fill that cache already.
        maps = [self._backbone(frame) for frame in frames]
        positions = np.empty((slots.size, POSITION_SIZE), np.float32)
        for row, slot in enumerate(slots.tolist()):
            positions[row, :POOLED_SIZE] = self._head.position(slot, maps[row], bool(continues[row]))
            positions[row, POOLED_SIZE:] = self._flow.push_frame(slot, frames[row], bool(continues[row]))
        # A position sees one frame more than its margin; with a shorter run it would reach back over a break.
        self._window.push(slots, positions, self._head.history.run_frames(slots) > TEMPORAL_MARGIN)
        moments, valid_fraction = self._window.moments(slots)
        (embeddings,) = self._embedding(moments)
        embeddings[valid_fraction == 0] = 0
        return StepResult(embeddings, valid_fraction)

    def close(self) -> None:
        """Forget all streams and free their memory. May be called twice."""
        self._make_room(0)

    def _make_room(self, slots: int) -> None:
        self._head = self._new_head(slots)
        self._flow = self._watched("flow", FlowHistory(slots))
        self._window = self._watched("pooling", PositionWindow(slots, self._spec.window_positions))
        self._slots = slots

    def _watched(self, stage: str, part: _Part) -> _Part:
        return part if self._clock is None else self._clock.watched(stage, part)
