"""Puts together what sender, guard, viewer and dashboard have noted about each frame. Pure; monotonic seconds.

A frame is known by the number that was burnt into it, and its score by the frame's media time: never by who came next.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from guard.bench.latency.probe import ArrivedFrame
from guard.bench.viewer import SeenScore

CLIP_SECONDS = 10.0
"""After so long a number comes again."""
MOST_SECONDS = 8.0
"""What is later than this counts as lost."""
_MS = 1000.0


@dataclass(frozen=True, slots=True)
class SentFrame:
    """A numbered frame that was handed over. Numbers come again when a clip does; media time is 0 at the first."""

    number: int
    at: float
    pts_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class PaintedScore:
    """A score on the dashboard: its message came to the page, and the picture with it was drawn."""

    seq: int
    received_at: float
    painted_at: float


@dataclass(frozen=True, slots=True)
class Trace:
    """One frame on its way, as far as it got; milliseconds by stage, in order."""

    stages_ms: Mapping[str, float]
    camera_to_score_ms: float
    arrival_to_score_ms: float
    arrival_to_viewer_ms: float
    fps: float
    camera_to_paint_ms: float | None


class SentLog:
    """When which number was sent."""

    def __init__(self, frames: Iterable[SentFrame], uncertainty_seconds: float = 0.0) -> None:
        """frames: in the order of sending. uncertainty_seconds: of their clock, so that one may seem to come early."""
        self._uncertainty = uncertainty_seconds
        self._times: dict[int, list[float]] = defaultdict(list)
        self.frames = tuple(frames)
        for frame in self.frames:
            self._times[frame.number].append(frame.at)

    def sent_at(self, number: int | None, before: float) -> float | None:
        """When the newest frame of this number was sent that can have arrived by `before`; None where there is none.

        None, too, where that was longer ago than MOST_SECONDS: then it was the number's last turn, and the sender's
        note of this one is missing.
        """
        times = self._times.get(number, []) if number is not None else []
        place = bisect_right(times, before + self._uncertainty)
        return times[place - 1] if place and before - times[place - 1] <= MOST_SECONDS else None

    def between(self, start: float, end: float) -> int:
        """How many frames were sent from `start` up to `end`."""
        return sum(bisect_left(times, end) - bisect_left(times, start) for times in self._times.values())


def trace_frames(
    sent: SentLog,
    arrived: Sequence[ArrivedFrame],
    scores: Sequence[SeenScore],
    start: float,
    end: float,
    painted: Sequence[PaintedScore] = (),
) -> list[Trace]:
    """The frames of one participant that were sent from `start` up to `end` and reached a score that was seen."""
    by_pts = {score.pts_seconds: score for score in scores}
    traces = []
    for frame in arrived:
        sent_at, score = sent.sent_at(frame.number, frame.arrived_at), by_pts.get(frame.pts_seconds)
        if sent_at is not None and score is not None and start <= sent_at < end:
            traces.append(_trace(sent_at, frame, score, _paint_of(score.seq, painted)))
    return traces


def plain_latencies_ms(
    sent: SentLog, pictures: Iterable[tuple[int | None, float]], start: float, end: float
) -> list[float]:
    """From the camera to the array, of pictures (number, array_at) that were sent from `start` up to `end`."""
    found = []
    for number, array_at in pictures:
        sent_at = sent.sent_at(number, array_at)
        if sent_at is not None and start <= sent_at < end:
            found.append(_MS * (array_at - sent_at))
    return found


def _trace(sent_at: float, frame: ArrivedFrame, score: SeenScore, paint: PaintedScore | None) -> Trace:
    latency = score.latency
    told_at = frame.arrived_at + latency.total_ms / _MS
    known = latency.queue_ms + latency.pixels_ms + latency.engine_ms + latency.verify_ms
    if frame.complete_at is None:
        arrival = {"network to decoded frame": _MS * (frame.arrived_at - sent_at)}
    else:
        arrival = {
            "network + jitter buffer": _MS * (frame.complete_at - sent_at),
            "decode": _MS * (frame.arrived_at - frame.complete_at),
        }
    stages = {
        **arrival,
        "queue": latency.queue_ms,
        "pixels": latency.pixels_ms,
        "engine": latency.engine_ms,
        "decision": latency.verify_ms,
        "publish": latency.total_ms - known,
        "WebSocket": _MS * (score.seen_at - told_at),
    }
    if paint is not None:
        stages["WebSocket to dashboard"] = _MS * (paint.received_at - told_at)
        stages["dashboard paint"] = _MS * (paint.painted_at - paint.received_at)
    return Trace(
        stages_ms=stages,
        camera_to_score_ms=_MS * (told_at - sent_at),
        arrival_to_score_ms=latency.total_ms,
        arrival_to_viewer_ms=_MS * (score.seen_at - frame.arrived_at),
        fps=score.fps,
        camera_to_paint_ms=None if paint is None else _MS * (paint.painted_at - sent_at),
    )


def _paint_of(seq: int, painted: Sequence[PaintedScore]) -> PaintedScore | None:
    """`painted` is in the order of seq."""
    place = bisect_left(painted, seq, key=lambda paint: paint.seq)
    return painted[place] if place < len(painted) and painted[place].seq == seq else None
