"""The engine on ONNX Runtime, CPU: the default backend, needs neither torch nor a GPU."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from engines.errors import BackendFailedError, EngineInputError, ModelFolderError
from engines.model_folder import BACKBONE_FILE, EMBEDDING_FILE, HEAD_FILE, ModelFolder
from engines.protocol import Batching, EngineSpec, EngineStatus, StepResult
from engines.slot_state import (
    MAP_SHAPE,
    POSITION_SIZE,
    SLICE_SHAPE,
    TAPS,
    TEMPORAL_MARGIN,
    FloatArray,
    MotionHistory,
    PositionWindow,
)
from engines.stage_clock import StageClock
from engines.step_input import FRAME_SHAPE, check_step

_BATCHING = Batching(max_frames=8, wait_seconds=0.0)
"""Frames are computed one by one: waiting gains nothing, and with 8 a step takes about 10 ms of a core."""

_Part = TypeVar("_Part")


class OnnxEngine:
    """`engines.protocol.Engine` on the CPU.

    threads: threads inside one operator. One is the best use of a core when several engines or decoders share the
    machine; more help only a single engine on idle cores.
    clock: counts the stages backbone, difference (all that is kept of maps and slices), head, pooling and embedding.
    """

    def __init__(self, model: ModelFolder, *, threads: int = 1, clock: StageClock | None = None) -> None:
        if model.spec.temporal_margin != TEMPORAL_MARGIN:
            raise ModelFolderError(
                f"engine {model.spec.name}: temporal margin {model.spec.temporal_margin}, "
                f"this version computes heads with {TEMPORAL_MARGIN}"
            )
        self._spec = model.spec
        size = model.spec.embedding_size
        differences, earlier = (TAPS, *MAP_SHAPE), (TAPS - 1, *SLICE_SHAPE)
        backbone = _Graph(BACKBONE_FILE, model.backbone, threads, [FRAME_SHAPE], [MAP_SHAPE])
        head = _Graph(HEAD_FILE, model.head, threads, [differences, earlier], [SLICE_SHAPE, (POSITION_SIZE,)])
        embedding = _Graph(EMBEDDING_FILE, model.embedding, threads, [(2 * POSITION_SIZE,)], [(size,)])
        self._clock = clock
        self._backbone = self._watched("backbone", backbone)
        self._head = self._watched("head", head)
        self._embedding = self._watched("embedding", embedding)
        self._status = EngineStatus("onnx", "fp32", f"cpu, {threads} thread(s)", None)
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
        return self._history.slot_bytes + self._window.slot_bytes

    def open(self, slots: int) -> None:
        """Make room for `slots` streams, numbered from 0, all empty. Raises EngineInputError below 1."""
        if slots < 1:
            raise EngineInputError(f"an engine needs room for at least 1 stream, got {slots}")
        self._make_room(slots)

    def reset(self, slot: int) -> None:
        """Forget one stream. Raises EngineInputError for a slot that does not exist."""
        if not 0 <= slot < self._slots:
            raise EngineInputError(f"slot {slot} does not exist, the engine is open for {self._slots}")
        self._history.reset(slot)
        self._window.reset(slot)

    def step(self, slots: NDArray[np.int32], frames: NDArray[np.uint8], continues: NDArray[np.bool_]) -> StepResult:
        """Take one new frame for each named slot; see `engines.protocol.Engine.step`."""
        check_step(self._slots, slots, frames, continues)
        positions = np.empty((slots.size, POSITION_SIZE), np.float32)
        for row, slot in enumerate(slots.tolist()):
            positions[row] = self._position(slot, frames[row], bool(continues[row]))
        # A position sees one frame more than its margin; with a shorter run it would reach back over a break.
        self._window.push(slots, positions, self._history.run_frames(slots) > TEMPORAL_MARGIN)
        moments, valid_fraction = self._window.moments(slots)
        (embeddings,) = self._embedding(moments)
        return StepResult(np.where(valid_fraction[:, None] > 0, embeddings, np.float32(0)), valid_fraction)

    def close(self) -> None:
        """Forget all streams and free their memory. May be called twice."""
        self._make_room(0)

    def _make_room(self, slots: int) -> None:
        self._history = self._watched("difference", MotionHistory(slots))
        self._window = self._watched("pooling", PositionWindow(slots, self._spec.window_positions))
        self._slots = slots

    def _watched(self, stage: str, part: _Part) -> _Part:
        return part if self._clock is None else self._clock.watched(stage, part)

    def _position(self, slot: int, frame: NDArray[np.uint8], continues: bool) -> FloatArray:
        """The pooled head output (512,) that a stream's new frame completes.

        One stream at a time: on the CPU a run over several takes as long per stream, or longer, since the intermediates
        of a frame (about 1 MB) fill a core's cache, and would need its inputs copied together.
        """
        (maps,) = self._backbone(frame[None])
        differences = self._history.push_map(slot, maps[0], continues)
        newest, positions = self._head(differences[None], self._history.slices(slot)[None])
        self._history.push_slice(slot, newest[0])
        position: FloatArray = positions[0]
        return position


class _Graph:
    """One ONNX graph whose first axis is the stream, checked for the shapes that the engine relies on."""

    def __init__(
        self, name: str, content: bytes, threads: int, inputs: list[tuple[int, ...]], outputs: list[tuple[int, ...]]
    ) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session: Any = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # noqa: BLE001 - the runtime raises a dozen unrelated types of its own
            raise ModelFolderError(f"{name}: ONNX Runtime cannot load it ({error})") from None
        self._name = name
        self._inputs = [entry.name for entry in self._session.get_inputs()]
        for what, entries, wanted in (
            ("takes", self._session.get_inputs(), inputs),
            ("gives", self._session.get_outputs(), outputs),
        ):
            found = [tuple(entry.shape[1:]) for entry in entries]
            if found != wanted:
                raise ModelFolderError(f"{name}: {what} {found} per stream, this engine needs {wanted}")

    def __call__(self, *inputs: NDArray[Any]) -> list[FloatArray]:
        try:
            outputs: list[FloatArray] = self._session.run(None, dict(zip(self._inputs, inputs, strict=True)))
        except Exception as error:
            raise BackendFailedError(f"{self._name}: ONNX Runtime failed ({error})") from error
        return outputs
