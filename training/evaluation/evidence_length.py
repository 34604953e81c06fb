"""How error falls with the video that is heard: shorter and longer windows, and seconds of evidence in a call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.protocol import EngineSpec
from training.errors import DataError
from training.evaluate import Accuracy, DriverEmbeddings, accuracy
from training.evaluation.shipped_ratios import ShippedRatios, shipped_ratios
from training.evaluation.streams import DriverStream, Scores, live_scores, of_target
from training.metrics import Trials

EVIDENCE_SECONDS = (2.5, 5.0, 10.0, 30.0)
SHORTER_WINDOWS = (16, 32, 48)
"""Frames, cut from the middle of the engine's windows: the same material at every length, and nothing is padded."""
LONGER_WINDOWS = (2, 4)
"""How many consecutive windows of the engine are pooled into one embedding."""


@dataclass(frozen=True, slots=True)
class LengthResult:
    """Error at one length. seconds: of video behind each comparison's probe. ratios: where the guard's own score was
    compared."""

    seconds: float
    frames: int
    accuracy: Accuracy
    ratios: ShippedRatios | None = None


def middle(windows: NDArray[np.uint8], frames: int) -> NDArray[np.uint8]:
    """The middle frames of windows (n, T, 128, 128): (n, frames, 128, 128). Raises DataError where T is shorter."""
    spare = windows.shape[1] - frames
    if spare < 0:
        raise DataError(f"windows of {windows.shape[1]} frames hold no {frames}; nothing is padded")
    return windows[:, spare // 2 : spare // 2 + frames]


def joined_windows(rows: Sequence[DriverEmbeddings], count: int) -> list[DriverEmbeddings]:
    """The same drivers with `count` consecutive windows as one, as if the engine's window were so long.

    Drivers with fewer windows on one side are left out. Raises DataError where nobody has enough.
    """
    kept = [row for row in rows if min(len(row.enrol), len(row.probe)) >= count]
    if not kept:
        raise DataError(f"nobody has {count} consecutive windows on both sides")
    return [
        DriverEmbeddings(row.driver, row.target, _joined(row.enrol, count), _joined(row.probe, count)) for row in kept
    ]


def _joined(windows: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    groups = len(windows) // count
    means = windows[: groups * count].reshape(groups, count, -1).mean(axis=1)
    rows: NDArray[np.float32] = means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-6)
    return rows


def evidence_trials(streams: Sequence[DriverStream], spec: EngineSpec, seconds: float) -> Trials:
    """Every template against every stretch of `seconds` of every stream that shows the same target.

    Stretches do not overlap. A stretch's score is the mean live score of the windows that lie inside it: what evidence
    adds up to, but for fading and limits. Raises DataError where no stream holds a stretch, or no stretch a window.
    """
    parts = []
    for target in sorted({stream.target for stream in streams}):
        shown = of_target(streams, target)
        for heard in shown:
            for enrolled in shown:
                scores = live_scores(enrolled.template, heard.embeddings, spec.calibration.cohort)
                means = stretch_means(scores, round(seconds * heard.fps), spec.window_frames)
                who = np.full(len(means), enrolled.driver), np.full(len(means), heard.driver)
                parts.append(Trials(means, *who, np.full(len(means), target)))
    joined = Trials(*(np.concatenate([getattr(part, name) for part in parts]) for name in Trials.__slots__))
    if len(joined.scores) == 0:
        raise DataError(f"no stream is {seconds:g} s long")
    return joined


def evidence_result(streams: Sequence[DriverStream], spec: EngineSpec, seconds: float, rounds: int) -> LengthResult:
    """What `seconds` of evidence tell. Raises DataError where they tell of fewer than two drivers, who say nothing of
    others."""
    trials = evidence_trials(streams, spec, seconds)
    if len(np.unique(trials.probe_driver)) < 2:
        raise DataError(f"one driver alone is heard for {seconds:g} s")
    ratios = shipped_ratios(trials, spec.calibration, rounds)
    return LengthResult(seconds, round(seconds * streams[0].fps), accuracy(trials, rounds), ratios)


def stretch_means(scores: Scores, frames: int, window_frames: int) -> Scores:
    """Mean score over the windows inside each of the consecutive stretches of `frames` frames. scores: (n,)."""
    if frames < window_frames:
        raise DataError(f"{frames} frames hold no window of {window_frames}")
    count = len(scores) // frames
    means: Scores = scores[: count * frames].reshape(count, frames)[:, window_frames - 1 :].mean(axis=1)
    return means
