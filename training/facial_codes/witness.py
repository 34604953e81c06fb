"""Makes the live witness `facial_codes`: codes of some people, cohort and calibration of others, figures of third ones.

Of each source's people in the training split two in three train codes and weights; the others and the validation split
make the cohort and the calibration; the test split is only measured. News anchors' recordings last a second: those of
one session, each about its own median, are joined until they fill a window (our own choice).
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engines.comparison import comparison_scores
from training.calibrate import FittedCalibration
from training.cohort import Cohort, build_cohort, calibrate_on, real_trials
from training.errors import DataError
from training.evaluate import DriverEmbeddings, template_trials
from training.export import write_graph
from training.facial_codes.clips import ExpressionClip, at_rate, even_people, frames, levelled, of_split
from training.facial_codes.drivers import window_weights
from training.facial_codes.fitting import FitSettings, fit_codes
from training.facial_codes.network import CodesNetwork
from training.facial_codes.witness_graph import RATE_HZ, WINDOW_FRAMES, WitnessGraph
from training.metrics import Trials, log_likelihood_ratio_cost, over_drivers, pooled_area, pooled_equal_error

_EVERY = 3
"""Of this many people of a source one is kept for the cohort."""
_HOP = WINDOW_FRAMES // 2
_WEIGHT_ROWS = 2 * WINDOW_FRAMES
"""Frames of 25 a second that a window covers: what weights are found on."""

Windows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Parts:
    """Recordings of disjoint people."""

    train: list[ExpressionClip]
    calibration: list[ExpressionClip]
    test: list[ExpressionClip]


@dataclass(frozen=True, slots=True)
class MadeWitness:
    """network, weights: what the graph holds. test: trials of unseen people, scores as in a call."""

    network: CodesNetwork
    graph: WitnessGraph
    cohort: Cohort
    calibration: FittedCalibration
    calibration_people: int
    test: Trials


def parts_of(clips: Sequence[ExpressionClip]) -> Parts:
    """Split people as the text of this module says; the same every time."""
    by_source: dict[str, set[str]] = defaultdict(set)
    for clip in of_split(clips, "train"):
        by_source[clip.source].add(clip.person)
    kept = {person for people in by_source.values() for person in sorted(people)[_EVERY - 1 :: _EVERY]}
    return Parts(
        [clip for clip in clips if clip.split == "train" and clip.person not in kept],
        [clip for clip in clips if clip.split == "val" or clip.person in kept],
        of_split(clips, "test"),
    )


def make_witness(clips: Sequence[ExpressionClip], shifts: torch.Tensor, settings: FitSettings) -> MadeWitness:
    """Train, weigh, calibrate and measure. Raises DataError where people or their recordings do not suffice."""
    parts = parts_of(clips)
    own = [levelled(clip) for clip in parts.train]
    network = fit_codes(torch.from_numpy(frames(own)), shifts, settings, torch.from_numpy(even_people(own)))
    weights = window_weights(network, own, _WEIGHT_ROWS)
    graph = WitnessGraph(network, torch.from_numpy(weights)).eval()
    calibration = embedded(graph, parts.calibration)
    cohort = build_cohort([], calibration)
    fitted = calibrate_on([real_trials(calibration, cohort)])
    test = template_trials(
        embedded(graph, parts.test), lambda templates, probes: comparison_scores(templates, probes, cohort.rows)
    )
    return MadeWitness(network, graph, cohort, fitted, len(calibration), test)


@torch.no_grad()
def embedded(graph: WitnessGraph, clips: Sequence[ExpressionClip]) -> list[DriverEmbeddings]:
    """Both sides of everybody whose recordings fill a window on each; real faces differ, so all count as one target."""
    people: dict[str, list[ExpressionClip]] = defaultdict(list)
    for clip in clips:
        people[clip.person].append(clip)
    rows = []
    for number, person in enumerate(sorted(people)):
        sides = two_sides(people[person])
        if sides is not None:
            enrol, probe = (graph(torch.from_numpy(side)).numpy() for side in sides)
            rows.append(DriverEmbeddings(number, 0, enrol, probe))
    if len(rows) < 2:
        raise DataError(f"only {len(rows)} people have recordings that fill two windows; a cohort needs more")
    return rows


def two_sides(clips: Sequence[ExpressionClip]) -> tuple[Windows, Windows] | None:
    """Windows (n, 64, 52) to enrol and to probe of one person: of different sessions, or of halves of the only one."""
    sessions: dict[str, list[ExpressionClip]] = defaultdict(list)
    for clip in clips:
        sessions[clip.session].append(at_rate(clip, RATE_HZ))
    stretches = [stretch for session in sorted(sessions) for stretch in _stretches(sessions[session])]
    if len(stretches) == 1:
        middle = len(stretches[0]) // 2
        stretches = [stretches[0][:middle], stretches[0][middle:]]
    cut = [windows for windows in (_windows(stretch) for stretch in stretches) if len(windows)]
    if len(cut) < 2:
        return None
    half = len(cut) // 2
    return np.concatenate(cut[:half]), np.concatenate(cut[half:])


def _stretches(clips: Sequence[ExpressionClip]) -> list[NDArray[np.float32]]:
    """Long recordings as they are, short ones of the session joined to one; (n, 51) each."""
    long = [clip.values for clip in clips if len(clip.values) >= WINDOW_FRAMES]
    short = [levelled(clip).values for clip in clips if len(clip.values) < WINDOW_FRAMES]
    return [*long, *([np.concatenate(short)] if short else [])]


def _windows(stretch: NDArray[np.float32]) -> Windows:
    """With the column of `_neutral`, which the graph does not look at."""
    starts = range(0, len(stretch) - WINDOW_FRAMES + 1, _HOP)
    cut = [np.pad(stretch[start : start + WINDOW_FRAMES], ((0, 0), (1, 0))) for start in starts]
    return np.stack(cut).astype(np.float32) if cut else np.empty((0, WINDOW_FRAMES, stretch.shape[1] + 1), np.float32)


def graph_file(graph: WitnessGraph) -> bytes:
    """The graph as ONNX: `windows` (n, 64, 52) -> `embeddings` (n, K)."""
    channels = len(graph.network.mean) + 1
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "embed.onnx"
        write_graph(graph, path, {"windows": torch.rand(2, WINDOW_FRAMES, channels)}, ["embeddings"])
        return path.read_bytes()


def witness_metrics(made: MadeWitness) -> list[dict[str, Any]]:
    """Figures of unseen people for the witness's card, 95 % over people."""
    trials = made.test
    people, count = len(np.unique(trials.template_driver)), len(trials.scores)
    about = f"one window of {WINDOW_FRAMES / RATE_HZ:.1f} s against a template, own faces on camera"
    found = [
        {"name": name, "value": figure.value, "low": figure.low, "high": figure.high}
        for name, measure in (("AUC", pooled_area), ("EER", pooled_equal_error))
        for figure in (over_drivers(trials, measure),)
    ]
    cost = log_likelihood_ratio_cost(made.calibration.llr(trials.scores), trials.genuine)
    found.append({"name": "Cllr (bits)", "value": cost, "low": cost, "high": cost})
    return [{**figure, "drivers": people, "trials": count, "about": about} for figure in found]
