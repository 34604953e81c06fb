"""The engine on a device: graphs, kernels and the streams' records; only frames go in and embeddings come out.

One batch, in this order on the device's one stream (engines/kernels/README.md):

    frames, places, continues up -> backbone -> flow, difference -> head -> ring -> embedding -> embeddings, shares down

The batches of a large step overlap: while the device computes one, the host fills the page-locked rows of the next, and
these cross the bus on a stream of their own.

    host            fill 0 | fill 1             | fill 2
    copy stream                         frames 1            frames 2
    stream                 | frames 0 > batch 0 | batch 1            | batch 2
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engines.cuda import launches
from engines.cuda.device import Buffer, Device
from engines.device_graphs import Capture, DeviceGraphs, check_tensors
from engines.device_lanes import HostRows, Lane
from engines.device_ring import NO_PLACE, DeviceRing, Places, RingStatus
from engines.errors import EngineInputError
from engines.optical_flow import FLOW_SIZE
from engines.protocol import Batching, EngineSpec, EngineStatus, StepResult
from engines.slot_state import MAP_SHAPE
from engines.step_input import check_step
from engines.tensorrt.batch_buckets import cut_into_batches

logger = logging.getLogger(__name__)

_BATCHES_PER_STEP = 4
"""Of the largest size. A step of one has nothing to overlap with, and in a long one everybody waits for the last."""

_BATCH_WAIT_SECONDS = 0.003
"""A batch costs a device little more than a frame: worth waiting a tenth of a frame for."""


@dataclass(frozen=True, slots=True)
class _Running:
    """A batch that was started. rows: of the step, in order. mark: of the device, behind its last copy."""

    rows: NDArray[np.int64]
    host: HostRows
    mark: object


class DeviceEngine:
    """`engines.protocol.Engine` on a `Device`.

    buckets: the batch sizes that the graphs run, ascending. budget_bytes: device memory for the streams' records.
    status: what `status` says. clock: seconds that never run back, by which a stream is idle. Raises ModelFolderError
    for graphs whose tensors are not those of the kernels.
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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        check_tensors(spec, graphs)
        self._spec, self._status = spec, status
        self._device, self._graphs, self._capture, self._buckets = device, graphs, capture, buckets
        self._ring = DeviceRing(device, spec.window_positions, budget_bytes, clock)
        self._slots = 0
        self._buffers: dict[str, Buffer] = {}
        self._lanes: tuple[Lane, Lane] | None = None
        self._refusing = False
        self._closed = False

    @property
    def spec(self) -> EngineSpec:
        return self._spec

    @property
    def status(self) -> EngineStatus:
        return self._status

    @property
    def batching(self) -> Batching:
        return Batching(max_frames=_BATCHES_PER_STEP * self._buckets[-1], wait_seconds=_BATCH_WAIT_SECONDS)

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
            if self._lanes is None:
                self._allocate()
                shape = self._device, self._buckets[-1], self._spec.embedding_size
                self._lanes = Lane.on(*shape), Lane.on(*shape)
            self._warm_up(self._lanes[0], min(slots, self._buckets[-1]))
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
            places = self._ring.acquire(slots)
            self._run(places, frames, continues, result)
        refused = np.flatnonzero(places == NO_PLACE)
        self._tell_refused(refused.size)
        return replace(result, refused=refused)

    def close(self) -> None:
        """Free everything, the device too: an engine that was closed is not opened again. May be called twice."""
        if self._closed:
            return
        self._closed, self._slots = True, 0
        with contextlib.ExitStack() as steps:  # last first, each whatever became of the others
            steps.callback(self._device.close)
            steps.enter_context(self._device.current())
            steps.callback(self._forget_lanes)
            steps.callback(self._ring.close)
            for graph in self._graphs.all:
                steps.callback(graph.close)
            steps.callback(self._capture.forget)

    def _run(self, places: Places, frames: NDArray[np.uint8], continues: NDArray[np.bool_], result: StepResult) -> None:
        """Put the rows that have a place through the device, and what comes out where it belongs."""
        served = np.flatnonzero(places != NO_PLACE)
        running: _Running | None = None
        for number, piece in enumerate(cut_into_batches(served.size, self._buckets)):
            # Filled while the device works on the batch before; the one before that has been collected.
            rows, lane = served[piece.start : piece.start + piece.rows], self._lane(number)
            lane.host.places[: rows.size] = places[rows]
            lane.host.continues[: rows.size] = continues[rows]
            # `frames[rows]` would copy once more; the mode lets numpy write in place.
            np.take(frames, rows, axis=0, out=lane.host.frames[: rows.size], mode="clip")
            self._start(lane, rows.size, piece.bucket, beside_another=running is not None)
            started = _Running(rows, lane.host, self._device.mark())
            if running is not None:
                self._collect(running, result)
            running = started
        if running is not None:
            self._collect(running, result)

    def _lane(self, number: int) -> Lane:
        """That of the n-th batch of a step."""
        if self._lanes is None:
            raise EngineInputError("the engine is not open: call open(slots) first")
        return self._lanes[number % 2]

    def _collect(self, running: _Running, result: StepResult) -> None:
        """Wait for a batch and put its rows where they belong."""
        self._device.wait(running.mark)
        rows, host = running.rows, running.host
        valid = host.valid_fraction[: rows.size]
        result.valid_fraction[rows] = valid
        result.embeddings[rows] = np.where(valid[:, None] > 0, host.embeddings[: rows.size], np.float32(0))

    def _tell_refused(self, count: int) -> None:
        """To the log, when it begins; every step's own refusals stand in its result."""
        if count and not self._refusing:
            ring = self._ring.status
            logger.warning(
                "engine: %s has room for %d streams of %d bytes; those that came last get no verdict "
                "(fewer streams, or more memory on the device)",
                self._device.name,
                ring.places,
                ring.bytes_per_stream,
            )
        self._refusing = count > 0

    def _forget_lanes(self) -> None:
        self._lanes = None
        self._buffers.clear()

    def _warm_up(self, lane: Lane, most: int) -> None:
        """Twice each: the first run initialises, the second is captured. The rows are nobody's."""
        for bucket in self._buckets:
            for _ in range(2):
                self._start(lane, 0, bucket, beside_another=False)
            if bucket >= most:
                return

    def _allocate(self) -> None:
        most = self._buckets[-1]
        sizes = {tensor.name: tensor.row_bytes * most for graph in self._graphs.all for tensor in graph.tensors}
        sizes |= {"places": 4 * most, "continues": most, "energy": 4 * MAP_SHAPE[0] * most, "valid_fraction": 4 * most}
        sizes["flow"] = 4 * FLOW_SIZE * most
        # The graphs run one after the other, so one piece of working memory serves them all.
        sizes["scratch"] = max(1, *(graph.scratch_bytes for graph in self._graphs.all))
        self._buffers = {name: self._device.allocate(size) for name, size in sizes.items()}
        scratch = self._buffers["scratch"]
        for graph in self._graphs.all:
            graph.use_scratch(scratch.address, scratch.size_bytes)

    def _start(self, lane: Lane, rows: int, bucket: int, *, beside_another: bool) -> None:
        """Start one batch, from host memory and through to it. What lies behind its rows stands for nobody.

        beside_another: while the batch before may still be reading its frames.
        """
        device, host = self._device, lane.host
        host.places[rows:bucket] = NO_PLACE
        frames = host.frames[:bucket]
        if beside_another:
            device.follow(device.upload_aside(lane.aside, frames))
            device.copy(self._buffers["frames"], lane.aside, frames.nbytes)
        else:
            device.upload(self._buffers["frames"], frames)
        device.upload(self._buffers["places"], host.places[:bucket])
        device.upload(self._buffers["continues"], host.continues[:bucket])
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
        device.launch(launches.measure_flow(rows, **state, frames=at["frames"], flow=at["flow"]))
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
                pooled=at["position"],
                flow=at["flow"],
                moments=at["moments"],
                valid_fraction=at["valid_fraction"],
                window=window,
            )
        )
        self._graphs.embedding.enqueue(rows, at, stream)
