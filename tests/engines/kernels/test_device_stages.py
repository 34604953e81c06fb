"""A device engine whose parts are watched computes what the bare one does, and every stage is counted."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import numpy as np
import pytest

from engines.bench import measure_stages
from engines.device_engine import DeviceEngine
from engines.device_graphs import DeviceGraphs
from engines.device_record import RecordLayout
from engines.device_stages import watched_parts
from engines.golden import golden_clip
from engines.model_folder import ModelFolder, read_model_folder
from engines.protocol import EngineStatus
from engines.registry import find_model
from engines.stage_clock import StageClock
from engines.tensorrt.model_plans import engine_graphs
from tests.engines.kernels.host_device import HostDevice
from tests.engines.kernels.host_graphs import HostGraph, NoCapture

STATUS = EngineStatus("host", "fp16", "host", None)
BUCKETS = (1, 2)
CALLS = {"upload": 3, "backbone": 1, "difference": 2, "flow": 1, "ring": 3, "head": 1, "embedding": 1, "download": 2}
"""Of one batch: frames, places and flags go up; gather_slices, push_slices, push_positions are the ring's."""


@pytest.fixture(scope="module")
def model() -> ModelFolder:
    return read_model_folder(find_model("default"))


def _engine(model: ModelFolder, device: HostDevice, clock: StageClock | None) -> DeviceEngine:
    found = engine_graphs(model, "fp16")
    graphs = DeviceGraphs(*(HostGraph(found[name]) for name in ("backbone", "head", "embedding")))
    parts = (device, graphs, NoCapture()) if clock is None else watched_parts(device, graphs, clock)
    return DeviceEngine(model.spec, STATUS, *parts, BUCKETS, 2**30)


def test_it_answers_as_the_bare_one_and_counts_every_call(model: ModelFolder, host_library: Path) -> None:
    """On a clock that moves by one at each look, seconds are calls."""
    ticks = count()
    clock = StageClock(lambda: float(next(ticks)))
    bare = _engine(model, HostDevice(host_library), None)
    watched = _engine(model, HostDevice(host_library), clock)
    frames, _ = golden_clip(model.spec.window_frames)
    slots, continues = np.arange(2, dtype=np.int32), np.ones(2, np.bool_)
    for engine in (bare, watched):
        engine.open(2)
    for first in range(8):
        clock.clear()
        pair = frames[first : first + 2]
        wanted, found = bare.step(slots, pair, continues), watched.step(slots, pair, continues)
        np.testing.assert_array_equal(found.embeddings, wanted.embeddings)
        np.testing.assert_array_equal(found.valid_fraction, wanted.valid_fraction)
    assert wanted.valid_fraction.min() > 0
    assert clock.seconds == CALLS
    assert watched.stream_bytes == RecordLayout(model.spec.window_positions).size_bytes
    for engine in (bare, watched):
        engine.close()


def test_every_call_is_waited_for(model: ModelFolder, host_library: Path) -> None:
    waits = 0

    class Waiting(HostDevice):
        def synchronise(self) -> None:
            nonlocal waits
            waits += 1

    device = Waiting(host_library)
    clock = StageClock()
    engine = _engine(model, device, clock)
    engine.open(1)
    slot, frame = np.zeros(1, np.int32), np.zeros((1, 128, 128), np.uint8)
    engine.step(slot, frame, np.ones(1, np.bool_))
    waits = 0
    engine.step(slot, frame, np.ones(1, np.bool_))
    assert waits == sum(CALLS.values())  # the step itself waits for a mark
    engine.close()


def test_stages_come_in_the_order_of_a_step(model: ModelFolder, host_device: HostDevice) -> None:
    clock = StageClock()
    engine = _engine(model, host_device, clock)
    timing = measure_stages(engine, clock, 1, seconds=0.02)
    assert list(timing.stages_ms) == [
        "upload",
        "backbone",
        "difference",
        "flow",
        "ring",
        "head",
        "embedding",
        "download",
    ]
    engine.close()
