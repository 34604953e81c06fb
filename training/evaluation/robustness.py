"""What a bad call costs: the same drivers, enrolled in a good call, heard through worse ones with a real encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from engines.protocol import Engine, EngineSpec
from training.data.calls import CallQuality, Received, Recording, received_through
from training.errors import DataError
from training.evaluate import Accuracy, accuracy
from training.evaluation.alerts import AlertRule
from training.evaluation.streams import DriverStream, live_scores, of_target, stream_clip
from training.metrics import Trials


@dataclass(frozen=True, slots=True)
class Condition:
    """One call. axis: what is varied; value: its setting, in the axis's unit."""

    axis: str
    value: float
    quality: CallQuality


@dataclass(frozen=True, slots=True)
class ConditionResult:
    """accuracy: of single windows against templates, the guard's comparison score; None where no window is usable.

    usable: share of the frames that were sent, after the first window, at which the guard would judge. in_range: the
    frame rate is one that the engine was made for; the guard abstains elsewhere, and the figure is what would happen.
    """

    axis: str
    value: float
    accuracy: Accuracy | None
    usable: float
    in_range: bool


GOOD = CallQuality()
BITRATE, LOSS, RATE, FACE = "bitrate, kbit/s", "lost frames, %", "frames per second", "eye distance, px"
BESIDE, NEARER = "face beside its place, eye distances", "face nearer, times"
_EYES_TO_HEIGHT = 4.2


def conditions() -> list[Condition]:
    """A good call first on every axis, then worse ones (for the bitrate also a better one)."""
    bitrates = [replace(GOOD, bitrate_bps=bits) for bits in (500_000, 800_000, 200_000, 100_000)]
    losses = [replace(GOOD, lost_share=share) for share in (0.0, 0.01, 0.05)]
    rates = [replace(GOOD, fps=fps) for fps in (30, 20, 15)]
    sizes = [replace(GOOD, size=size) for size in ((640, 360), (320, 180), (160, 90))]
    places = [replace(GOOD, beside=beside) for beside in (0.0, 0.12, 0.25)]
    distances = [replace(GOOD, nearer=nearer) for nearer in (1.0, 0.8, 1.25)]
    return [
        *(Condition(BITRATE, quality.bitrate_bps / 1000, quality) for quality in bitrates),
        *(Condition(LOSS, 100 * quality.lost_share, quality) for quality in losses),
        *(Condition(RATE, quality.fps, quality) for quality in rates),
        *(Condition(FACE, round(quality.size[1] / _EYES_TO_HEIGHT), quality) for quality in sizes),
        *(Condition(BESIDE, quality.beside, quality) for quality in places),
        *(Condition(NEARER, quality.nearer, quality) for quality in distances),
    ]


def measure_conditions(
    engine: Engine,
    enrolled: Sequence[DriverStream],
    recordings: Sequence[Recording],
    wanted: Sequence[Condition],
    processes: int,
) -> list[ConditionResult]:
    """Every condition on the same recordings, one for each of `enrolled`; equal calls are made once.

    Raises DataError where no window is usable even in the first condition.
    """
    qualities = list(dict.fromkeys(condition.quality for condition in wanted))
    heard: dict[CallQuality, list[DriverStream]] = {quality: [] for quality in qualities}
    for stream, arrived in zip(enrolled, received_through(recordings, qualities, processes), strict=True):
        for quality, received in zip(qualities, arrived, strict=True):
            heard[quality].append(_heard(engine, stream, received))
    measured: dict[CallQuality, tuple[Accuracy | None, float]] = {}
    for quality, streams in heard.items():
        sent = sum(round(recording.seconds * quality.fps) for recording in recordings)
        measured[quality] = _measured(streams, engine.spec, sent)
    if measured[qualities[0]][0] is None:
        raise DataError("no window of the good call is usable; give longer recordings")
    spec = engine.spec
    return [
        ConditionResult(one.axis, one.value, *measured[one.quality], spec.fps_min <= one.quality.fps <= spec.fps_max)
        for one in wanted
    ]


def _heard(engine: Engine, stream: DriverStream, received: Received) -> DriverStream:
    """The driver's template with what was received in place of the good call."""
    embeddings, valid = stream_clip(engine, received.crops, received.continues)
    return replace(stream, embeddings=embeddings, valid=valid)


def _measured(streams: Sequence[DriverStream], spec: EngineSpec, sent_frames: int) -> tuple[Accuracy | None, float]:
    """Accuracy, and the share of the frames sent at which the guard would judge."""
    first = spec.window_frames - 1
    judged = sum(int((stream.valid[first:] >= AlertRule().min_valid_fraction).sum()) for stream in streams)
    usable = judged / max(1, sent_frames - first * len(streams))
    trials = window_by_window(streams, spec)
    if not trials.genuine.any() or trials.genuine.all():
        return None, usable
    return accuracy(trials), usable


def window_by_window(streams: Sequence[DriverStream], spec: EngineSpec) -> Trials:
    """Templates against every T-th window of the streams on the same target, where the guard would judge it."""
    parts = []
    for heard in streams:
        places = np.arange(spec.window_frames - 1, len(heard.embeddings), spec.window_frames)
        places = places[heard.valid[places] >= AlertRule().min_valid_fraction]
        for enrolled in of_target(streams, heard.target):
            scores = live_scores(enrolled.template, heard.embeddings[places], spec.calibration.cohort)
            who = np.full(len(places), enrolled.driver), np.full(len(places), heard.driver)
            parts.append(Trials(scores, *who, np.full(len(places), heard.target)))
    return Trials(*(np.concatenate([getattr(part, name) for part in parts]) for name in Trials.__slots__))
