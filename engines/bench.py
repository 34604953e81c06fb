"""How long an engine takes per frame, alone on its thread, without decoding."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from engines.errors import EngineInputError
from engines.protocol import FRAME_SIZE_PX, Engine

_WARM_UP_STEPS = 10
_CLIP_FRAMES = 32


@dataclass(frozen=True, slots=True)
class EngineTiming:
    """Wall time of `step` over the number of its streams, in milliseconds per frame."""

    streams: int
    steps: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float

    @property
    def frames_per_second(self) -> float:
        """Frames of all streams together that the median step keeps up with."""
        return 1000 / self.p50_ms


def measure_engine(engine: Engine, streams: int, seconds: float) -> EngineTiming:
    """Step an engine on noise, `streams` frames at a time, back to back for about `seconds`.

    What a step costs does not depend on what the frames show. The engine is opened anew: streams that it held are
    forgotten. Raises EngineInputError for fewer than 1 stream or a time that is not positive.
    """
    if seconds <= 0:
        raise EngineInputError(f"seconds must be positive, got {seconds}")
    engine.open(streams)
    shape = (_CLIP_FRAMES, streams, FRAME_SIZE_PX, FRAME_SIZE_PX)
    clip = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    slots, continues = np.arange(streams, dtype=np.int32), np.ones(streams, np.bool_)
    for frames in clip[:_WARM_UP_STEPS]:
        engine.step(slots, frames, continues)
    step_ms: list[float] = []
    end = time.perf_counter() + seconds
    while not step_ms or time.perf_counter() < end:
        start = time.perf_counter()
        engine.step(slots, clip[len(step_ms) % _CLIP_FRAMES], continues)
        step_ms.append((time.perf_counter() - start) * 1000)
    p50, p95, p99 = (float(value) for value in np.percentile(step_ms, (50, 95, 99)) / streams)
    return EngineTiming(streams, len(step_ms), p50, p95, p99, max(step_ms) / streams)
