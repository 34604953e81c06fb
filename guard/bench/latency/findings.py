"""What the traces of one run say: percentiles of every stage and of the whole way, drops, the ratio. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from guard.bench.distribution import Distribution, distribution
from guard.bench.latency.traces import Trace


@dataclass(frozen=True, slots=True)
class CpuSplit:
    """CPU of the guard per stream, in percent of one core.

    workers: of the processes that receive, decode and crop, where there are some; the others are of the guard's own.
    """

    receive_decode: float
    pixels: float
    engine: float
    rest: float
    workers: float = 0.0


@dataclass(frozen=True, slots=True)
class Counts:
    """Frames. sent, plain_sent: handed over in the measured time, to the guard and to the plain sink.

    received, dropped: by the guard, in about the same time.
    """

    sent: int
    plain_sent: int
    received: int
    dropped: int


@dataclass(frozen=True, slots=True)
class LatencyRow:
    """Outcome for one number of streams; times in milliseconds.

    p50_ms to max_ms: from the arrival of the decoded frame to the arrival of its score at the viewer.
    unscored_frames: were sent and led to no score that was seen; they have no latency and are in no percentile.
    A machine that cannot keep up drops frames until no window is whole and no score comes: then there is no latency to
    tell, and the dropped frames tell why. plain_ratio: camera to array at the plain sink over camera to score, at p50.
    plain_missing_frames: were sent to the plain sink in the measured time and had not come when it was over.
    isolation: where the guard received, as in `calls.isolation`.
    """

    sender: str
    isolation: str
    streams: int
    scores: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    fps: float | None
    received_frames: int
    dropped_frames: int
    cpu_per_stream: CpuSplit
    sent_frames: int
    unscored_frames: int
    camera_to_score: Distribution | None
    arrival_to_score: Distribution | None
    camera_to_paint: Distribution | None
    plain_camera_to_array: Distribution | None
    plain_ratio: float | None
    plain_missing_frames: int
    stages: dict[str, Distribution] = field(default_factory=dict)
    clock_uncertainty_ms: dict[str, float] = field(default_factory=dict)


def make_row(
    sender: str,
    isolation: str,
    streams: int,
    counts: Counts,
    cpu: CpuSplit,
    traces: Sequence[Trace],
    plain_ms: Sequence[float],
    clock_uncertainty_ms: dict[str, float],
) -> LatencyRow:
    """Sum up one run. plain_ms: latencies of the plain sink, which got the frames of one stream."""
    at_viewer = distribution([trace.arrival_to_viewer_ms for trace in traces])
    camera_to_score = distribution([trace.camera_to_score_ms for trace in traces])
    plain = distribution(plain_ms)
    return LatencyRow(
        sender=sender,
        isolation=isolation,
        streams=streams,
        scores=len(traces),
        p50_ms=at_viewer.p50_ms if at_viewer else None,
        p95_ms=at_viewer.p95_ms if at_viewer else None,
        p99_ms=at_viewer.p99_ms if at_viewer else None,
        max_ms=at_viewer.max_ms if at_viewer else None,
        fps=float(np.mean([trace.fps for trace in traces])) if traces else None,
        received_frames=counts.received,
        dropped_frames=counts.dropped,
        cpu_per_stream=cpu,
        sent_frames=counts.sent,
        unscored_frames=counts.sent - len(traces),
        camera_to_score=camera_to_score,
        arrival_to_score=distribution([trace.arrival_to_score_ms for trace in traces]),
        camera_to_paint=distribution([t.camera_to_paint_ms for t in traces if t.camera_to_paint_ms is not None]),
        plain_camera_to_array=plain,
        plain_ratio=plain.p50_ms / camera_to_score.p50_ms if plain and camera_to_score else None,
        plain_missing_frames=counts.plain_sent - len(plain_ms),
        stages=_stages(traces),
        clock_uncertainty_ms=clock_uncertainty_ms,
    )


def _stages(traces: Sequence[Trace]) -> dict[str, Distribution]:
    found: dict[str, list[float]] = {}
    for trace in traces:
        for stage, value_ms in trace.stages_ms.items():
            found.setdefault(stage, []).append(value_ms)
    summed = {stage: distribution(values) for stage, values in found.items()}
    return {stage: known for stage, known in summed.items() if known is not None}
