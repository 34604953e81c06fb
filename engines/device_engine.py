"""The engine on a device: graphs, kernels and the streams' records; only frames go in and embeddings come out.

One batch, in this order on the device's one stream (engines/kernels/README.md):

    frames, places, continues up -> backbone -> difference -> head -> ring -> embedding -> embeddings, shares down
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engines.cuda import launches
from engines.cuda.device import Buffer, Device
from engines.device_ring import DeviceRing, RingStatus
from engines.errors import EngineInputError, ModelFolderError
from engines.protocol import Batching, EngineSpec, EngineStatus, StepResult
from engines.slot_state import MAP_SHAPE, POSITION_SIZE, SLICE_SHAPE, TAPS
from engines.step_input import FRAME_SHAPE, check_step
from engines.tensorrt.batch_buckets import BatchPiece, cut_into_batches

_NOBODY = -1
"""Place of a row that only fills up a batch; the kernels leave it alone."""

_BATCH_WAIT_SECONDS = 0.003
"""A batch costs a device little more than a frame: worth waiting a tenth of a frame for."""


class GraphTensor(Protocol):
    """An input or output of a graph; see `engines.tensorrt.graph_runner.GraphTensor`."""

    @property
    def name(self) -> str: ...
    @property
    def dtype(self) -> str: ...
    @property
    def row_shape(self) -> tuple[int, ...]: ...
    @property
    def row_bytes(self) -> int: ...


class Graph(Protocol):
    """A graph that runs on device memory of others; `engines.tensorrt.graph_runner.GraphRunner` is one."""

    @property
    def tensors(self) -> tuple[GraphTensor, ...]: ...

    @property
    def scratch_bytes(self) -> int: ...

    def use_scratch(self, address: int, size_bytes: int) -> None: ...

    def enqueue(self, rows: int, addresses: Mapping[str, int], stream: int) -> None: ...

    def close(self) -> None: ...


class Capture(Protocol):
    """Replays work on a stream as one launch; `engines.tensorrt.captured_work.CapturedWork` is one."""

    def launch(self, key: Hashable, stream: int, enqueue: Callable[[], None]) -> None: ...

    def forget(self) -> None: ...


@dataclass(frozen=True, slots=True)
class DeviceGraphs:
    """An engine's three graphs, on one device."""

    backbone: Graph
    head: Graph
    embedding: Graph

    @property
    def all(self) -> tuple[Graph, ...]:
        return self.backbone, self.head, self.embedding


@dataclass(frozen=True, slots=True)
class _HostRows:
    """Page-locked rows of one batch on their way to the device and back."""

    frames: NDArray[np.uint8]
    places: NDArray[np.int32]
    continues: NDArray[np.uint8]
    embeddings: NDArray[np.float32]
    valid_fraction: NDArray[np.float32]

    @classmethod
    def on(cls, device: Device, rows: int, embedding_size: int) -> _HostRows:
        found = cls(
            device.host_array((rows, *FRAME_SHAPE), np.uint8),
            device.host_array((rows,), np.int32),
            device.host_array((rows,), np.uint8),
            device.host_array((rows, embedding_size), np.float32),
            device.host_array((rows,), np.float32),
        )
        found.frames.fill(0)
        return found


@dataclass(frozen=True, slots=True)
class _Running:
    """A batch that was started. mark: of the device, behind its last copy."""

    piece: BatchPiece
    host: _HostRows
    mark: object


class DeviceEngine:
    """`engines.protocol.Engine` on a `Device`.

    buckets: the batch sizes that the graphs run, ascending. budget_bytes: device memory for the streams' records.
    status: what `status` says. Raises ModelFolderError for graphs whose tensors are not those of the kernels.
    """

    def __init__(
        self,
        spec: EngineSpec,
        status: EngineStatus,
        device: Device,
        graphs: DeviceGraphs,
        capture: Capture,
        buckets: tuple[int, ...],
        budget_bytes: int,
    ) -> None:
        _check_tensors(spec, graphs)
        self._spec, self._status = spec, status
        self._device, self._graphs, self._capture, self._buckets = device, graphs, capture, buckets
        self._ring = DeviceRing(device, spec.window_positions, budget_bytes)
        self._slots = 0
        self._buffers: dict[str, Buffer] = {}
        self._host: tuple[_HostRows, _HostRows] | None = None
        self._closed = False

    @property
    def spec(self) -> EngineSpec:
        return self._spec

    @property
    def status(self) -> EngineStatus:
        return self._status

    @property
    def batching(self) -> Batching:
        return Batching(max_frames=self._buckets[-1], wait_seconds=_BATCH_WAIT_SECONDS)

    @property
    def stream_bytes(self) -> int:
        return self._ring.layout.size_bytes

    @property
    def ring_status(self) -> RingStatus:
        """How full the streams' memory is."""
        return self._ring.status

    def open(self, slots: int) -> None:
        """Make room for `slots` streams, all empty, and run every size of batch that they can make.

        A graph's first runs take many times as long as the later ones; they must not happen in a call.
        Raises EngineInputError below 1, DeviceMemoryError without room.
        """
        with self._device.current():
            self._capture.forget()
            self._ring.open(slots)
            if self._host is None:
                shape = self._device, self._buckets[-1], self._spec.embedding_size
                self._allocate()
                self._host = _HostRows.on(*shape), _HostRows.on(*shape)
            self._warm_up(self._host[0], min(slots, self._buckets[-1]))
            self._device.synchronise()
        self._slots = slots

    def reset(self, slot: int) -> None:
        """Forget one stream. Raises EngineInputError for a slot that does not exist."""
        self._ring.reset(slot)

    def step(self, slots: NDArray[np.int32], frames: NDArray[np.uint8], continues: NDArray[np.bool_]) -> StepResult:
        """Take one new frame for each named slot; see `engines.protocol.Engine.step`.

        A stream whose place went to another one begins anew. Raises DeviceError where the device fails.
        """
        check_step(self._slots, slots, frames, continues)
        result = StepResult(
            np.zeros((slots.size, self._spec.embedding_size), np.float32), np.zeros(slots.size, np.float32)
        )
        with self._device.current():
            running: _Running | None = None
            for number, piece in enumerate(cut_into_batches(slots.size, self._buckets)):
                # Filled while the device works on the batch before; the one before that has been collected.
                rows, host = slice(piece.start, piece.start + piece.rows), self._host_rows(number)
                host.places[: piece.rows] = self._ring.acquire(slots[rows])
                host.frames[: piece.rows] = frames[rows]
                host.continues[: piece.rows] = continues[rows]
                self._start(host, piece)
                started = _Running(piece, host, self._device.mark())
                if running is not None:
                    self._collect(running, result)
                running = started
            if running is not None:
                self._collect(running, result)
        return result

    def close(self) -> None:
        """Free everything, the device too: an engine that was closed is not opened again. May be called twice."""
        if self._closed:
            return
        self._closed, self._slots = True, 0
        with contextlib.ExitStack() as steps:  # last first, each whatever became of the others
            steps.callback(self._device.close)
            steps.enter_context(self._device.current())
            steps.callback(self._forget_host)
            steps.callback(self._ring.close)
            for graph in self._graphs.all:
                steps.callback(graph.close)
            steps.callback(self._capture.forget)

    def _host_rows(self, number: int) -> _HostRows:
        """Those of the n-th batch of a step: two take turns."""
        if self._host is None:
            raise EngineInputError("the engine is not open: call open(slots) first")
        return self._host[number % 2]

    def _collect(self, running: _Running, result: StepResult) -> None:
        """Wait for a batch and put its rows where they belong."""
        self._device.wait(running.mark)
        piece, host = running.piece, running.host
        rows = slice(piece.start, piece.start + piece.rows)
        valid = host.valid_fraction[: piece.rows]
        result.valid_fraction[rows] = valid
        result.embeddings[rows] = np.where(valid[:, None] > 0, host.embeddings[: piece.rows], np.float32(0))

    def _forget_host(self) -> None:
        self._host = None
        self._buffers.clear()

    def _warm_up(self, host: _HostRows, most: int) -> None:
        """Twice each: the first run initialises, the second is captured. The rows are nobody's."""
        for bucket in self._buckets:
            for _ in range(2):
                self._start(host, BatchPiece(0, 0, bucket))
            if bucket >= most:
                return

    def _allocate(self) -> None:
        most = self._buckets[-1]
        sizes = {tensor.name: tensor.row_bytes * most for graph in self._graphs.all for tensor in graph.tensors}
        sizes |= {"places": 4 * most, "continues": most, "energy": 4 * MAP_SHAPE[0] * most, "valid_fraction": 4 * most}
        # The graphs run one after the other, so one piece of working memory serves them all.
        sizes["scratch"] = max(1, *(graph.scratch_bytes for graph in self._graphs.all))
        self._buffers = {name: self._device.allocate(size) for name, size in sizes.items()}
        scratch = self._buffers["scratch"]
        for graph in self._graphs.all:
            graph.use_scratch(scratch.address, scratch.size_bytes)

    def _start(self, host: _HostRows, piece: BatchPiece) -> None:
        """Start one batch, from host memory and through to it. What lies behind its rows stands for nobody."""
        device, rows, bucket = self._device, piece.rows, piece.bucket
        host.places[rows:bucket] = _NOBODY
        device.upload(self._buffers["places"], host.places[:bucket])
        device.upload(self._buffers["continues"], host.continues[:bucket])
        device.upload(self._buffers["frames"], host.frames[:bucket])
        self._capture.launch(bucket, device.stream, lambda: self._enqueue(bucket))
        device.download(host.embeddings[:bucket], self._buffers["embedding"])
        device.download(host.valid_fraction[:bucket], self._buffers["valid_fraction"])

    def _enqueue(self, rows: int) -> None:
        """Everything between upload and download. All that it names is fixed while the engine is open."""
        device, stream, window = self._device, self._device.stream, self._spec.window_positions
        at = {name: buffer.address for name, buffer in self._buffers.items()}
        state = {"records": self._ring.records, "places": at["places"]}
        self._graphs.backbone.enqueue(rows, at, stream)
        device.launch(launches.advance_runs(rows, **state, continues=at["continues"], window=window))
        device.launch(
            launches.difference_maps(rows, **state, maps=at["maps"], differences=at["differences"], energy=at["energy"])
        )
        device.launch(launches.gather_slices(rows, **state, earlier=at["earlier_slices"]))
        self._graphs.head.enqueue(rows, at, stream)
        device.launch(launches.push_slices(rows, **state, slices=at["slice"]))
        device.launch(
            launches.push_positions(
                rows,
                **state,
                positions=at["position"],
                moments=at["moments"],
                valid_fraction=at["valid_fraction"],
                window=window,
            )
        )
        self._graphs.embedding.enqueue(rows, at, stream)


def _check_tensors(spec: EngineSpec, graphs: DeviceGraphs) -> None:
    """The kernels read and write these tensors as they lie in memory."""
    wanted = {
        "frames": ("uint8", FRAME_SHAPE),
        "maps": ("float16", MAP_SHAPE),
        "differences": ("float16", (TAPS, *MAP_SHAPE)),
        "earlier_slices": ("float16", (TAPS - 1, *SLICE_SHAPE)),
        "slice": ("float16", SLICE_SHAPE),
        "position": ("float32", (POSITION_SIZE,)),
        "moments": ("float32", (2 * POSITION_SIZE,)),
        "embedding": ("float32", (spec.embedding_size,)),
    }
    found = {tensor.name: (tensor.dtype, tensor.row_shape) for graph in graphs.all for tensor in graph.tensors}
    if found != wanted:
        differing = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
        raise ModelFolderError(
            f"engine {spec.name}: its compiled graphs have other tensors than the kernels ({', '.join(differing)}); "
            "build it anew with half maps: python -m engines build --precision fp16"
        )
