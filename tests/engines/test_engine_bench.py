"""The engine's stopwatch reports figures that fit together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engines.bench import (
    BOUND_MS,
    FRAME_RATE,
    PacedTiming,
    measure_engine,
    measure_paced,
    measure_stages,
    stage_timing,
)
from engines.errors import EngineInputError
from engines.protocol import Engine, StepResult
from engines.registry import load_engine
from engines.stage_clock import StageClock
from tests.engines.conftest import RANDOM_WINDOW_FRAMES
from tests.engines.dying_engine import DyingEngine


@pytest.mark.parametrize("streams", [1, 4, 8])
def test_percentiles_are_ordered_and_steps_counted(random_engine: Engine, streams: int) -> None:
    timing = measure_engine(random_engine, streams, seconds=0.05)
    assert timing.streams == streams
    assert timing.steps >= 1
    assert 0 < timing.p50_ms <= timing.p95_ms <= timing.p99_ms <= timing.max_ms
    assert 1000 / timing.max_ms <= timing.frames_per_second
    assert timing.joules_per_frame is None


def test_energy_is_what_the_meter_moved_by(random_engine: Engine) -> None:
    readings = iter([100.0, 106.0])
    timing = measure_engine(random_engine, 2, seconds=0.01, joules=lambda: next(readings))
    assert timing.joules_per_frame == pytest.approx(6 / (2 * timing.steps))


def test_time_must_be_positive(random_engine: Engine) -> None:
    with pytest.raises(EngineInputError, match="seconds must be positive"):
        measure_engine(random_engine, 1, 0)


class _SlowEngine(DyingEngine):
    """Takes a given time for each step after the warm-up, on a clock of its own."""

    def __init__(self, inner: Engine, step_seconds: list[float]) -> None:
        super().__init__(inner)
        self.time = 0.0
        self._step_seconds = [0.0] * 10 + step_seconds

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds

    def step(self, slots: NDArray[np.int32], frames: NDArray[np.uint8], continues: NDArray[np.bool_]) -> StepResult:
        self.time += self._step_seconds.pop(0)
        return StepResult(np.zeros((len(slots), 32), np.float32), np.zeros(len(slots), np.float32))


def _paced(inner: Engine, step_seconds: list[float]) -> PacedTiming:
    engine = _SlowEngine(inner, step_seconds)
    return measure_paced(engine, 1, len(step_seconds) / FRAME_RATE, now=engine.now, sleep=engine.sleep)


def test_a_steady_engine_is_as_late_as_its_steps_are_long(random_engine: Engine) -> None:
    timing = _paced(random_engine, [0.020] * 30)
    assert (timing.p50_ms, timing.max_ms) == pytest.approx((20, 20))
    assert timing.due_steps == timing.steps == 30
    assert timing.keeps_up


def test_a_long_step_makes_those_after_it_late(random_engine: Engine) -> None:
    """50 ms: the next step starts 50 - 33.3 late and ends 20 later, the one after that is in time again."""
    timing = _paced(random_engine, [0.050, 0.020, 0.010])
    late_ms = [50, 50 - BOUND_MS + 20, 50 - 2 * BOUND_MS + 20 + 10]
    assert (timing.max_ms, timing.p50_ms) == pytest.approx((late_ms[0], late_ms[1]))
    assert not timing.keeps_up


def test_an_engine_a_second_behind_is_given_up_on(random_engine: Engine) -> None:
    timing = _paced(random_engine, [0.5] * 30)
    assert (timing.due_steps, timing.steps) == (30, 3)  # the third is done at 1.5 s, the fourth was due at 0.1 s
    assert timing.max_ms == pytest.approx(1500 - 2 * BOUND_MS)
    assert not timing.keeps_up


def test_stages_and_rest_are_medians_per_frame() -> None:
    seen = [{"backbone": 0.004, "head": 0.002}, {"backbone": 0.002, "head": 0.002}, {"backbone": 0.009, "ring": 0.001}]
    timing = stage_timing([8.0, 6.0, 12.0], seen, streams=2)
    assert timing.stages_ms == pytest.approx({"backbone": 2.0, "head": 1.0, "ring": 0.0})
    assert timing.rest_ms == pytest.approx(1.0)
    assert timing.steps == 3


def test_stages_of_an_engine_lie_within_its_steps(random_engine_folder: Path) -> None:
    clock = StageClock()
    engine = load_engine(str(random_engine_folder), "onnx", clock=clock)
    timing = measure_stages(engine, clock, 2, seconds=0.05)
    assert list(timing.stages_ms) == ["backbone", "difference", "head", "flow", "pooling", "embedding"]
    assert min(timing.stages_ms.values()) > 0
    assert timing.rest_ms > 0
    engine.close()


WINDOW_BYTES = 64 * 64 * 4 + (RANDOM_WINDOW_FRAMES - 5) * (768 * 4 + 1) + 2 * 768 * 8
"""The halved frame; per position 768 values and a flag; sums."""


def test_a_stream_of_the_cpu_engine_takes_what_its_arrays_take(random_engine: Engine) -> None:
    """The previous map, and twice the sums of terms of differences and of slices, in fp32."""
    assert random_engine.stream_bytes == (128 * 256 + 2 * (128 * 64 + 64 * 32)) * 4 + WINDOW_BYTES


def test_a_stream_takes_more_with_the_head_in_full_precision(full_precision_engine: Engine) -> None:
    """Twelve differences, twelve slices and the previous map in fp32."""
    rings = 12 * 128 * 256 * 4 + 12 * 64 * 128 * 4 + 128 * 256 * 4
    assert full_precision_engine.stream_bytes == rings + WINDOW_BYTES
