"""The device engine on the host, kernels compiled by g++, graphs by ONNX Runtime, against the CPU engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import DTypeLike, NDArray

from engines.cuda.device import Buffer, Launch
from engines.device_engine import DeviceEngine
from engines.device_graphs import DeviceGraphs
from engines.device_record import RecordLayout
from engines.errors import DeviceError, EngineInputError, ModelFolderError
from engines.fallback import Backend, FallbackEngine
from engines.golden import golden_clip
from engines.model_folder import ModelFolder, read_model_folder
from engines.onnx_engine import OnnxEngine
from engines.protocol import EngineStatus, StepResult
from engines.registry import find_model
from engines.tensorrt.model_plans import engine_graphs
from engines.tensorrt.precision import Precision
from tests.engines.kernels.host_device import HostDevice
from tests.engines.kernels.host_graphs import HostGraph, NoCapture

STATUS = EngineStatus("host", "fp16", "host", None)
BUCKETS = (1, 2, 4)
PLENTY = 2**30


@pytest.fixture(scope="module")
def model() -> ModelFolder:
    """The shipped engine's folder: its weights are trained, so that half precision is measured where it counts."""
    return read_model_folder(find_model("default"))


def _graphs(model: ModelFolder, precision: Precision) -> DeviceGraphs:
    graphs = engine_graphs(model, precision)
    return DeviceGraphs(*(HostGraph(graphs[name]) for name in ("backbone", "head", "embedding")))


def _engine(
    model: ModelFolder,
    device: HostDevice,
    capture: NoCapture | None = None,
    budget: int = PLENTY,
    clock: Callable[[], float] = time.monotonic,
) -> DeviceEngine:
    graphs, capture = _graphs(model, "fp16"), capture or NoCapture()
    return DeviceEngine(model.spec, STATUS, device, graphs, capture, BUCKETS, budget, clock)


def _room_for(streams: int, model: ModelFolder) -> int:
    """A budget: a record, its address and a place each."""
    return streams * (RecordLayout(model.spec.window_positions).size_bytes + 12)


@pytest.fixture
def engine(model: ModelFolder, host_device: HostDevice) -> Iterator[DeviceEngine]:
    engine = _engine(model, host_device)
    yield engine
    engine.close()


def _step(
    engine: DeviceEngine | OnnxEngine | FallbackEngine, slots: list[int], frame: NDArray[np.uint8], follows: bool = True
) -> StepResult:
    """The same frame for several streams."""
    count = len(slots)
    return engine.step(np.array(slots, np.int32), np.repeat(frame[None], count, 0), np.full(count, follows))


def test_it_answers_as_the_cpu_engine_does(model: ModelFolder, engine: DeviceEngine) -> None:
    """The golden clip with its break, on the shipped weights: the issue wants a cosine of 0.999 in half precision."""
    reference = OnnxEngine(model)
    frames, continues = golden_clip(model.spec.window_frames)
    slot = np.array([1], np.int32)
    for each in (engine, reference):
        each.open(2)
    cosines = []
    for frame, follows in zip(frames[:, None], continues[:, None], strict=True):
        own, wanted = engine.step(slot, frame, follows), reference.step(slot, frame, follows)
        np.testing.assert_array_equal(own.valid_fraction, wanted.valid_fraction)
        if wanted.valid_fraction[0] > 0:
            cosines.append(float(own.embeddings[0] @ wanted.embeddings[0]))
    assert len(cosines) > model.spec.window_frames
    assert min(cosines) >= 0.999


def test_steps_of_any_size_and_order_keep_streams_apart(model: ModelFolder, host_device: HostDevice) -> None:
    """Seven streams in batches of 4, 2 and 1 with padding, some absent, some broken: each as if it were alone."""
    capture = NoCapture()
    engine, reference = _engine(model, host_device, capture), OnnxEngine(model)
    random = np.random.default_rng(5)
    frames, _ = golden_clip(model.spec.window_frames)
    for each in (engine, reference):
        each.open(7)
    for _ in range(12):
        slots = random.permutation(7)[: int(random.integers(1, 8))].astype(np.int32)
        pictures = frames[random.integers(len(frames), size=len(slots))]
        continues = random.random(len(slots)) > 0.05
        own, wanted = engine.step(slots, pictures, continues), reference.step(slots, pictures, continues)
        np.testing.assert_array_equal(own.valid_fraction, wanted.valid_fraction)
        cosines = (own.embeddings * wanted.embeddings).sum(1)[wanted.valid_fraction > 0]
        assert (cosines > 0.99).all()
    assert set(capture.keys) == set(BUCKETS)
    engine.close()


def test_a_stream_that_lost_its_place_begins_anew(model: ModelFolder, host_device: HostDevice) -> None:
    now = 0.0
    engine = _engine(model, host_device, budget=_room_for(2, model), clock=lambda: now)
    engine.open(3)
    frame = golden_clip(model.spec.window_frames)[0][0]
    for _ in range(7):
        shares = _step(engine, [0, 1], frame).valid_fraction
    assert (shares > 0).all()
    now = 1.0
    _step(engine, [1], frame)
    newcomer = _step(engine, [2], frame)  # takes the place of 0, which has been idle for a second
    assert (newcomer.valid_fraction.tolist(), newcomer.refused.tolist()) == ([0], [])
    assert _step(engine, [1], frame).valid_fraction[0] > 0
    now = 2.0
    _step(engine, [1], frame)
    assert _step(engine, [0], frame).valid_fraction[0] == 0
    assert engine.ring_status.evictions == 2
    engine.close()


def test_streams_without_room_are_refused_and_the_others_go_on_undisturbed(
    model: ModelFolder, host_library: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nine at once in room for six, through the whole chain: no fall to the CPU, no embedding for the last three."""
    now = 0.0
    small, large = HostDevice(host_library), HostDevice(host_library)
    chain = FallbackEngine(
        [
            Backend("tensorrt", lambda: _engine(model, small, budget=_room_for(6, model), clock=lambda: now)),
            Backend("onnx", lambda: OnnxEngine(model)),
        ]
    )
    roomy = _engine(model, large)
    frames, _ = golden_clip(model.spec.window_frames)
    for engine in (chain, roomy):
        engine.open(9)
    # Not in the order of the places: the refused rows lie between others.
    order, continues = np.array([3, 8, 0, 1, 7, 2, 4, 5, 6], np.int32), np.ones(9, np.bool_)
    _step(chain, [0, 1, 2, 3, 4, 5], frames[0])
    _step(roomy, [0, 1, 2, 3, 4, 5], frames[0])
    for t in range(1, 8):
        found, wanted = (engine.step(order, frames[3 * t : 3 * t + 9], continues) for engine in (chain, roomy))
        assert found.refused.tolist() == [1, 4, 8]
        served = np.setdiff1d(np.arange(9), found.refused)
        np.testing.assert_array_equal(found.embeddings[served], wanted.embeddings[served])
        np.testing.assert_array_equal(found.valid_fraction[served], wanted.valid_fraction[served])
        assert not found.embeddings[found.refused].any()
        assert not found.valid_fraction[found.refused].any()
    assert (wanted.valid_fraction > 0).all()
    assert (chain.status.backend, chain.status.fallback_reason) == ("host", None)
    assert caplog.text.count("has room for 6 streams") == 1
    chain.reset(0)
    assert chain.step(order, frames[:9], continues).refused.tolist() == [2, 4, 8]  # the next in the row has the place
    chain.close()
    roomy.close()


def test_a_reset_stream_begins_anew(model: ModelFolder, engine: DeviceEngine) -> None:
    engine.open(2)
    frame = golden_clip(model.spec.window_frames)[0][0]
    for _ in range(7):
        _step(engine, [0, 1], frame)
    engine.reset(0)
    assert (_step(engine, [0, 1], frame).valid_fraction > 0).tolist() == [False, True]


def test_everything_is_given_back(model: ModelFolder, host_device: HostDevice) -> None:
    engine = _engine(model, host_device)
    engine.open(2)
    _step(engine, [0], np.zeros((128, 128), np.uint8))
    engine.close()
    engine.close()
    assert host_device.allocated_bytes == 0
    with pytest.raises(EngineInputError, match="not open"):
        _step(engine, [0], np.zeros((128, 128), np.uint8))


class _LateDevice(HostDevice):
    """Does nothing before it is waited for, as late as a device may be; it is a `Capture` for that too.

    aside: whether uploads aside are as early as they may be, or as late.
    """

    def __init__(self, library: Path, aside: Literal["early", "late"] = "late") -> None:
        super().__init__(library)
        self.copies_aside = 0
        self._early = aside == "early"
        self._late: list[Callable[[], None]] = []
        self._done = 0
        self._running = False
        self._page_locked: list[NDArray[Any]] = []

    def host_array(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        self._page_locked.append(super().host_array(shape, dtype))
        return self._page_locked[-1]

    def upload(self, buffer: Buffer, array: NDArray[Any]) -> None:
        kept = array if any(np.shares_memory(array, own) for own in self._page_locked) else array.copy()
        self._late.append(lambda: super(_LateDevice, self).upload(buffer, kept))

    def upload_aside(self, buffer: Buffer, array: NDArray[Any]) -> object:
        """The mark is what is left to do of it."""
        self.copies_aside += 1

        def copy() -> None:
            super(_LateDevice, self).upload(buffer, array)

        if self._early:
            copy()
            return None
        return copy

    def follow(self, mark: object) -> None:
        if callable(mark):
            self._late.append(mark)

    def copy(self, to: Buffer, source: Buffer, size_bytes: int) -> None:
        self._late.append(lambda: super(_LateDevice, self).copy(to, source, size_bytes))

    def download(self, array: NDArray[Any], buffer: Buffer) -> None:
        self._late.append(lambda: super(_LateDevice, self).download(array, buffer))

    def launch(self, launch: Launch | Hashable, stream: int = 0, enqueue: Callable[[], None] | None = None) -> None:
        """A kernel, or the work between copies, whose kernels then run as it comes to them."""
        if enqueue is not None:
            self._late.append(lambda: self._run(enqueue))
        elif isinstance(launch, Launch) and self._running:
            super().launch(launch)
        elif isinstance(launch, Launch):
            self._late.append(lambda: super(_LateDevice, self).launch(launch))

    def forget(self) -> None:
        pass

    def mark(self) -> object:
        return self._done + len(self._late)

    def wait(self, mark: object) -> None:
        assert isinstance(mark, int)
        while self._done < mark:
            self._done += 1
            self._late.pop(0)()

    def synchronise(self) -> None:
        self.wait(self.mark())

    def _run(self, enqueue: Callable[[], None]) -> None:
        self._running = True
        enqueue()
        self._running = False


@pytest.mark.parametrize("aside", ["early", "late"])
def test_a_batch_is_filled_beside_the_running_one_and_never_into_it(
    model: ModelFolder, host_library: Path, aside: Literal["early", "late"]
) -> None:
    """Fourteen streams, four batches: whoever wrote over rows that are not through would give the wrong frames."""
    late, eager = _LateDevice(host_library, aside), HostDevice(host_library)
    graphs = _graphs(model, "fp16")
    engines = DeviceEngine(model.spec, STATUS, late, graphs, late, BUCKETS, PLENTY), _engine(model, eager)
    frames, _ = golden_clip(model.spec.window_frames)
    slots, continues = np.arange(14, dtype=np.int32), np.ones(14, np.bool_)
    for engine in engines:
        engine.open(14)
    for t in range(7):
        own, wanted = (engine.step(slots, frames[3 * t : 3 * t + 14], continues) for engine in engines)
        np.testing.assert_array_equal(own.embeddings, wanted.embeddings)
        np.testing.assert_array_equal(own.valid_fraction, wanted.valid_fraction)
    assert (wanted.valid_fraction > 0).all()
    assert late.copies_aside == 7 * 3  # all but a step's first batch
    for engine in engines:
        engine.close()


class _LostDevice(HostDevice):
    """A device that falls off the bus after some launches."""

    launches_left = 20

    def launch(self, launch: Launch) -> None:
        if self.launches_left == 0:
            raise DeviceError("the device fell off the bus")
        self.launches_left -= 1
        super().launch(launch)


def test_a_lost_device_hands_its_streams_to_the_cpu(model: ModelFolder, host_library: Path) -> None:
    device = _LostDevice(host_library)
    chain = FallbackEngine(
        [Backend("tensorrt", lambda: _engine(model, device)), Backend("onnx", lambda: OnnxEngine(model))]
    )
    chain.open(1)
    assert chain.status.backend == "host"
    frame = golden_clip(model.spec.window_frames)[0][0]
    shares = [float(_step(chain, [0], frame).valid_fraction[0]) for _ in range(12)]
    assert chain.status.backend == "onnx"
    assert "fell off the bus" in str(chain.status.fallback_reason)
    begun = shares[::-1].index(0)  # steps since the last one that counted for nothing
    assert shares[-1] == pytest.approx(begun / model.spec.window_positions)
    assert 0 < begun < 7  # the streams began anew in mid-run
    chain.close()


def test_graphs_in_full_precision_are_refused(model: ModelFolder, host_device: HostDevice) -> None:
    with pytest.raises(ModelFolderError, match=r"differences, earlier_slices, maps, slice"):
        DeviceEngine(model.spec, STATUS, host_device, _graphs(model, "fp32"), NoCapture(), BUCKETS, PLENTY)
