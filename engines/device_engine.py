"""The engine on a device: graphs, kernels and the streams' records; only frames go in and embeddings come out.

One batch, in this order on the device's one stream (engines/kernels/README.md):

    frames, places, continues up -> backbone -> difference -> head -> ring -> embedding -> embeddings, shares down
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engines.cuda import launches
from engines.cuda.device import Buffer, Device
from engines.device_ring import DeviceRing, RingStatus
from engines.errors import ModelFolderError
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
        most = buckets[-1]
        self._frames = device.host_array((most, *FRAME_SHAPE), np.uint8)
        self._places = device.host_array((most,), np.int32)
        self._continues = device.host_array((most,), np.uint8)
        self._embeddings = device.host_array((most, spec.embedding_size), np.float32)
        self._valid_fraction = device.host_array((most,), np.float32)

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
        """Make room for `slots` streams, all empty. Raises EngineInputError below 1, DeviceMemoryError without room."""
        self._capture.forget()
        self._ring.open(slots)
        if not self._buffers:
            self._allocate()
        self._slots = slots

    def reset(self, slot: int) -> None:
        """Forget one stream. Raises EngineInputError for a slot that does not exist."""
        self._ring.reset(slot)

    def step(self, slots: NDArray[np.int32], frames: NDArray[np.uint8], continues: NDArray[np.bool_]) -> StepResult:
        """Take one new frame for each named slot; see `engines.protocol.Engine.step`.

        A stream whose place went to another one begins anew. Raises DeviceError where the device fails.
        """
        check_step(self._slots, slots, frames, continues)
        embeddings = np.zeros((slots.size, self._spec.embedding_size), np.float32)
        valid_fraction = np.zeros(slots.size, np.float32)
        for piece in cut_into_batches(slots.size, self._buckets):
            rows = slice(piece.start, piece.start + piece.rows)
            self._run(piece, slots[rows], frames[rows], continues[rows])
            valid = self._valid_fraction[: piece.rows]
            valid_fraction[rows] = valid
            embeddings[rows] = np.where(valid[:, None] > 0, self._embeddings[: piece.rows], np.float32(0))
        return StepResult(embeddings, valid_fraction)

    def close(self) -> None:
        """Free everything, the device too: an engine that was closed is not opened again. May be called twice."""
        self._slots = 0
        self._capture.forget()
        for graph in self._graphs.all:
            graph.close()
        self._ring.close()
        self._buffers.clear()
        self._device.close()

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

    def _run(
        self,
        piece: BatchPiece,
        slots: NDArray[np.int32],
        frames: NDArray[np.uint8],
        continues: NDArray[np.bool_],
    ) -> None:
        """One batch, through to host memory."""
        device, bucket = self._device, piece.bucket
        self._places[:bucket] = _NOBODY
        self._places[: piece.rows] = self._ring.acquire(slots)
        self._frames[: piece.rows] = frames
        self._continues[: piece.rows] = continues
        device.upload(self._buffers["places"], self._places[:bucket])
        device.upload(self._buffers["continues"], self._continues[:bucket])
        device.upload(self._buffers["frames"], self._frames[: piece.rows])
        self._capture.launch(bucket, device.stream, lambda: self._enqueue(bucket))
        device.download(self._embeddings[: piece.rows], self._buffers["embedding"])
        device.download(self._valid_fraction[: piece.rows], self._buffers["valid_fraction"])
        device.synchronise()

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
