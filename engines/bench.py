"""How long an engine takes, alone on its thread, without decoding: back to back, at the pace of a call, by stages."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.errors import EngineInputError
from engines.protocol import FRAME_SIZE_PX, Engine
from engines.stage_clock import StageClock

FRAME_RATE = 30
BOUND_MS = 1000 / FRAME_RATE
"""A stream keeps up while its score is there before its next frame."""

_WARM_UP_STEPS = 10
_CLIP_FRAMES = 32
_LOST_SECONDS = 1.0
"""An engine that is so late will not catch up."""


@dataclass(frozen=True, slots=True)
class EngineTiming:
    """Steps back to back: wall time of `step` over the number of its streams, in milliseconds per frame.

    frames_per_second: of all streams together. joules_per_frame: of whatever the meter measures, None without one.
    """

    streams: int
    steps: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    frames_per_second: float
    joules_per_frame: float | None


@dataclass(frozen=True, slots=True)
class PacedTiming:
    """Steps at 30 a second, all streams at once: from when the frames were due to their results, in milliseconds.

    due_steps: that the time held. An engine that fell behind for good has taken fewer.
    """

    due_steps: int
    steps: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float

    @property
    def keeps_up(self) -> bool:
        """Whether all steps were taken and 99 of 100 within `BOUND_MS`."""
        return self.steps == self.due_steps and self.p99_ms <= BOUND_MS


@dataclass(frozen=True, slots=True)
class StageTiming:
    """Median milliseconds per frame of an engine that was loaded with a clock.

    stages_ms: in the order in which they run. rest_ms: of the step, outside all stages.
    """

    steps: int
    stages_ms: dict[str, float]
    rest_ms: float


def measure_engine(
    engine: Engine, streams: int, seconds: float, joules: Callable[[], float] | None = None
) -> EngineTiming:
    """Step an engine on noise, `streams` frames at a time, back to back for about `seconds`.

    What a step costs does not depend on what the frames show. The engine is opened anew: streams that it held are
    forgotten. joules: reads an energy counter. Raises EngineInputError for fewer than 1 stream or a time that is not
    positive.
    """
    step = _opened(engine, streams, seconds)
    before = joules() if joules is not None else 0.0
    step_ms = _back_to_back(step, seconds)
    frames = streams * len(step_ms)
    p50, p95, p99, worst = _percentiles(np.array(step_ms) / streams)
    spent = None if joules is None else (joules() - before) / frames
    return EngineTiming(streams, len(step_ms), p50, p95, p99, worst, 1000 * frames / sum(step_ms), spent)


def measure_paced(
    engine: Engine,
    streams: int,
    seconds: float,
    *,
    now: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> PacedTiming:
    """Step an engine as `streams` cameras would, 30 times a second, whether or not it keeps up (open loop).

    All streams' frames come at the same moment, which is the worst case. A step that starts late because an earlier one
    took long counts from when it was due. An engine that falls a second behind is given up on.
    Raises EngineInputError as `measure_engine` does.
    """
    step = _opened(engine, streams, seconds)
    due_steps = max(1, round(seconds * FRAME_RATE))
    late_ms: list[float] = []
    start = now()
    for number in range(due_steps):
        due = start + number / FRAME_RATE
        early = due - now()
        if early > 0:
            sleep(early)
        elif early < -_LOST_SECONDS:
            break
        next(step)
        late_ms.append((now() - due) * 1000)
    return PacedTiming(due_steps, len(late_ms), *_percentiles(np.array(late_ms)))


def measure_stages(engine: Engine, clock: StageClock, streams: int, seconds: float) -> StageTiming:
    """Where the time of a step goes. engine: one that was loaded with this clock.

    Watching takes time of its own, on a device a good deal (`engines.device_stages`): the stages are to be compared
    with each other, not added up to the step of an engine in use. Raises EngineInputError as `measure_engine` does.
    """
    step = _opened(engine, streams, seconds)
    seen: list[dict[str, float]] = []

    def watched_steps() -> Iterator[None]:
        while True:
            clock.clear()
            next(step)
            seen.append(clock.seconds)
            yield

    return stage_timing(_back_to_back(watched_steps(), seconds), seen, streams)


def stage_timing(step_ms: Sequence[float], seen: Sequence[Mapping[str, float]], streams: int) -> StageTiming:
    """Medians over steps. step_ms: milliseconds of each. seen: seconds of its stages; one that did not run took 0."""
    stages = dict.fromkeys(stage for step in seen for stage in step)
    spent = np.array([[1000 * step.get(stage, 0.0) for stage in stages] for step in seen]) / streams
    medians = np.median(spent, axis=0).tolist()
    rest = float(np.median(np.array(step_ms) / streams - spent.sum(axis=1)))
    return StageTiming(len(step_ms), dict(zip(stages, medians, strict=True)), rest)


def _opened(engine: Engine, streams: int, seconds: float) -> Iterator[None]:
    """Opens an engine and warms it up; then every turn is one step."""
    if seconds <= 0:
        raise EngineInputError(f"seconds must be positive, got {seconds}")
    engine.open(streams)
    steps = _steps(engine, streams)
    for _ in range(_WARM_UP_STEPS):
        next(steps)
    return steps


def _steps(engine: Engine, streams: int) -> Iterator[None]:
    # Neighbouring streams and steps share frames, so that thousands of streams need no gigabytes of noise.
    shape = (streams + _CLIP_FRAMES - 1, FRAME_SIZE_PX, FRAME_SIZE_PX)
    noise: NDArray[np.uint8] = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    slots, continues = np.arange(streams, dtype=np.int32), np.ones(streams, np.bool_)
    number = 0
    while True:
        first = number % _CLIP_FRAMES
        engine.step(slots, noise[first : first + streams], continues)
        number += 1
        yield


def _back_to_back(step: Iterator[None], seconds: float) -> list[float]:
    """Milliseconds of each step, at least one."""
    step_ms: list[float] = []
    end = time.perf_counter() + seconds
    while not step_ms or time.perf_counter() < end:
        start = time.perf_counter()
        next(step)
        step_ms.append((time.perf_counter() - start) * 1000)
    return step_ms


def _percentiles(values: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """50th, 95th, 99th and the largest."""
    p50, p95, p99, worst = (float(value) for value in np.percentile(values, (50, 95, 99, 100)))
    return p50, p95, p99, worst
