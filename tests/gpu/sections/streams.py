"""How many streams at 30 frames a second one GPU keeps up with, and what bounds it.

A *step* is one call of the engine with as many frames as it takes at once (1,024 in four batches that overlap), as the
batch scheduler calls it; a *tick* brings every stream one frame, all at the same moment, which is the hardest case:
steps one after the other.
30 fps hold where a tick takes less than 1/30 s. Frames lie in ordinary host memory; decoding is not part of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from engines.device_engine import DeviceEngine
from engines.device_graphs import DeviceGraphs
from engines.device_stages import EachTimeAnew
from engines.model_folder import ModelFolder
from engines.step_input import FRAME_SHAPE
from engines.tensorrt.batch_buckets import batch_buckets
from tests.gpu.ceilings import COPY_BYTES, UPLOAD_BYTES, copy_rate, staging_rate, upload_rate
from tests.gpu.device_clock import spread_of
from tests.gpu.engine_parts import EngineParts
from tests.gpu.frame_cost import frame_cost
from tests.gpu.stack import Stack
from tests.gpu.stage_times import StageLog, TimedDevice, TimedGraph

STREAMS = (64, 256, 1024, 4096, 16384)
TICK_MS = 1000 / 30
STEP_LIMIT_MS = 10
_FRAME_SETS = 2
_WARM_UP_TICKS = 3


def measure_streams(
    model: ModelFolder,
    stack: Stack,
    new_parts: Callable[[], EngineParts],
    *,
    streams: tuple[int, ...] = STREAMS,
    seconds: float = 5.0,
    ceiling_bytes: tuple[int, int] = (COPY_BYTES, UPLOAD_BYTES),
    buckets: tuple[int, ...] | None = None,
    stage_steps: int = 40,
) -> dict[str, Any]:
    """The device is closed at the end.

    new_parts: called twice, since graphs cannot change engines. seconds: for each number of streams. ceiling_bytes: of
    the copies inside the device and to it.
    """
    copy = copy_rate(stack, size_bytes=ceiling_bytes[0]).per_second
    upload = upload_rate(stack, size_bytes=ceiling_bytes[1]).per_second
    staging = staging_rate(stack, size_bytes=ceiling_bytes[1]).per_second
    parts = new_parts()
    engine = parts.engine(model, stack, buckets)
    loads = [measure_load(engine, count, seconds) for count in streams]
    largest_step, largest_batch = engine.batching.max_frames, (buckets or batch_buckets())[-1]
    cost = frame_cost(parts.graphs)
    engine.open(1)  # gives the records back
    stages = measure_stages(model, stack, new_parts(), largest_batch, buckets, stage_steps)
    return {
        "engine": asdict(parts.status),
        "largest_step_frames": largest_step,
        "largest_batch_frames": largest_batch,
        "loads": loads,
        "stages_ms_per_largest_batch": stages,
        "ceilings": {
            "copy_bytes_per_second": copy,
            "upload_bytes_per_second": upload,
            "staging_bytes_per_second": staging,
        },
        "floor_us_per_frame": {
            "staging": 1e6 * cost.uploaded_bytes / staging,
            "upload": 1e6 * cost.uploaded_bytes / upload,
            "device_memory": 1e6 * cost.moved_bytes / copy,
        },
        "frame_cost": asdict(cost),
    }


def measure_load(engine: DeviceEngine, streams: int, seconds: float) -> dict[str, Any]:
    """Ticks back to back on noise, about `seconds` of them and at least 20."""
    engine.open(streams)
    generator = np.random.default_rng(0)
    ticks = [generator.integers(0, 256, (streams, *FRAME_SHAPE), np.uint8) for _ in range(_FRAME_SETS)]
    slots, continues = np.arange(streams, dtype=np.int32), np.ones(streams, np.bool_)
    most = engine.batching.max_frames
    pieces = [slice(start, min(start + most, streams)) for start in range(0, streams, most)]
    step_ms: list[float] = []
    tick_ms: list[float] = []

    def tick(frames: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
        begin = last = time.perf_counter()
        for piece in pieces:
            engine.step(slots[piece], frames[piece], continues[piece])
            now = time.perf_counter()
            step_ms.append((now - last) * 1000)
            last = now
        tick_ms.append((last - begin) * 1000)

    for number in range(_WARM_UP_TICKS):
        tick(ticks[number % _FRAME_SETS])
    step_ms.clear()
    tick_ms.clear()
    end = time.perf_counter() + seconds
    while len(tick_ms) < 20 or time.perf_counter() < end:
        tick(ticks[len(tick_ms) % _FRAME_SETS])
    ring = engine.ring_status
    step_p50, step_p99 = (float(value) for value in np.percentile(step_ms, (50, 99)))
    tick_p50, tick_p99 = (float(value) for value in np.percentile(tick_ms, (50, 99)))
    return {
        "streams": streams,
        "step": {"p50_ms": step_p50, "p99_ms": step_p99, **asdict(spread_of(step_ms))},
        "tick": {"p50_ms": tick_p50, "p99_ms": tick_p99, **asdict(spread_of(tick_ms))},
        "frames_per_second": streams / tick_p50 * 1000,
        "holds_30_fps": tick_p99 <= TICK_MS,
        "step_within_limit": step_p99 <= STEP_LIMIT_MS,
        "tick_within_limit": tick_p99 <= STEP_LIMIT_MS,
        "evictions": ring.evictions,
        "refused": ring.refused,
        "record_bytes_per_stream": ring.bytes_per_stream,
        "allocated_bytes_per_stream": ring.allocated_bytes / streams,
    }


def measure_stages(
    model: ModelFolder,
    stack: Stack,
    parts: EngineParts,
    rows: int,
    buckets: tuple[int, ...] | None,
    steps: int,
) -> dict[str, float]:
    """Median of each stage on the device's stream, in milliseconds per batch of `rows` frames, and "wall" for the step
    as the caller sees it, which the marks lengthen. Ends the parts: graphs and device are closed."""
    log = StageLog(stack.clock)
    names = ("backbone graph", "head graph", "embedding graph")
    timed = DeviceGraphs(
        *(TimedGraph(graph, name, log, parts.capture) for graph, name in zip(parts.graphs.all, names, strict=True))
    )
    timed_stack = replace(stack, device=TimedDevice(stack.device, log))
    engine = EngineParts(timed, EachTimeAnew(), parts.status).engine(model, timed_stack, buckets)
    engine.open(rows)
    frames = np.random.default_rng(0).integers(0, 256, (rows, *FRAME_SHAPE), np.uint8)
    slots, continues = np.arange(rows, dtype=np.int32), np.ones(rows, np.bool_)
    walls: list[float] = []
    for number in range(_WARM_UP_TICKS + steps):
        if number == _WARM_UP_TICKS:
            log.forget_steps()
            walls.clear()
        begin = time.perf_counter()
        engine.step(slots, frames, continues)
        walls.append((time.perf_counter() - begin) * 1000)
        log.end_step()
    engine.close()
    return {**log.medians_ms(), "wall": float(np.median(walls))}
