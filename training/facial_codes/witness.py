"""Makes the live witness `facial_codes`: codes of some people, cohort and calibration of others, figures of third ones.

Of each source's people in the training split every other one trains codes and weights; the others and those of the
validation split become blends in the cohort; those of the test split are only measured. Calls whose drivers share faces
are calibrated on, and others are measured. News anchors' recordings last a second: those of one session, each about its
own median, are joined until they fill a window. What fills half a window at least counts twice: shares of tokens stay
what they are, only less certain (all ours).
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engines.comparison import mean_embedding
from training.calibrate import FittedCalibration
from training.cohort import Cohort, build_cohort, calibrate_on, real_trials
from training.errors import DataError
from training.evaluate import DriverEmbeddings, against_cohort, template_trials
from training.export import write_graph
from training.facial_codes.clips import ExpressionClip, at_rate, even_people, frames, levelled, of_split
from training.facial_codes.drivers import window_weights
from training.facial_codes.fitting import FitSettings, fit_codes
from training.facial_codes.tracked_calls import TrackedCall, call_embeddings
from training.facial_codes.witness_graph import RATE_HZ, WINDOW_FRAMES, WitnessGraph
from training.metrics import Estimate, Trials, log_likelihood_ratio_cost, over_drivers, pooled_area, pooled_equal_error

_EVERY = 2
"""Of this many people of a source one is kept for the cohort."""
_HOP = _LEAST_FRAMES = WINDOW_FRAMES // 2
_WEIGHT_ROWS = 2 * WINDOW_FRAMES
"""Frames of 25 a second that a window covers: what weights are found on."""

WINDOW, POOLED = "one window", "pooled"

Windows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Parts:
    """Recordings of disjoint people."""

    train: list[ExpressionClip]
    calibration: list[ExpressionClip]
    test: list[ExpressionClip]


@dataclass(frozen=True, slots=True)
class Calls:
    """Drivers who share faces: those to calibrate on and to draw cohort rows of, and others to measure."""

    calibration: list[TrackedCall]
    test: list[TrackedCall]


@dataclass(frozen=True, slots=True)
class MadeWitness:
    """graph: what is exported. own_faces: trials of unseen people, each with the own face. same_face: trials of unseen
    drivers of calls, by `WINDOW` and `POOLED`; scores as in a call."""

    graph: WitnessGraph
    cohort: Cohort
    calibration: FittedCalibration
    own_faces: Trials
    same_face: dict[str, Trials]
    calibration_people: int
    calibration_drivers: int


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


def make_witness(
    clips: Sequence[ExpressionClip], calls: Calls, shifts: torch.Tensor, settings: FitSettings
) -> MadeWitness:
    """Train, weigh, calibrate and measure. Raises DataError where people or their recordings do not suffice."""
    parts = parts_of(clips)
    own = [levelled(clip) for clip in parts.train]
    network = fit_codes(torch.from_numpy(frames(own)), shifts, settings, torch.from_numpy(even_people(own)))
    graph = WitnessGraph(network, torch.from_numpy(window_weights(network, own, _WEIGHT_ROWS))).eval()
    people, drivers = embedded(graph, parts.calibration), call_embeddings(graph, calls.calibration)
    cohort = _cohort(people, drivers)
    # On own faces the face helps: a line fitted there is far too sure of itself where an avatar takes the face away.
    fitted = calibrate_on([real_trials(drivers, cohort)])
    tested = call_embeddings(graph, calls.test)
    compare = against_cohort(cohort.rows)
    return MadeWitness(
        graph, cohort, fitted,
        own_faces=template_trials(embedded(graph, parts.test), compare),
        same_face={WINDOW: template_trials(tested, compare), POOLED: template_trials(_pooled(tested), compare)},
        calibration_people=len(people), calibration_drivers=len(drivers),
    )  # fmt: skip


def _cohort(people: Sequence[DriverEmbeddings], drivers: Sequence[DriverEmbeddings]) -> Cohort:
    """Blends of people, and a row for every driver of calls, each with its parents."""
    blends = build_cohort([], people)
    rows = np.stack([mean_embedding(np.concatenate([one.enrol, one.probe])) for one in drivers])
    parents = np.array([[one.driver, one.driver] for one in drivers], np.int64)
    return Cohort(np.concatenate([blends.rows, rows]), np.concatenate([blends.parents, parents]))


def _pooled(rows: Sequence[DriverEmbeddings]) -> list[DriverEmbeddings]:
    return [replace(row, probe=mean_embedding(row.probe)[None]) for row in rows]


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
    if _LEAST_FRAMES <= len(stretch) < WINDOW_FRAMES:
        stretch = np.resize(stretch, (WINDOW_FRAMES, stretch.shape[1]))
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
    """Figures of unseen drivers for the witness's card, 95 % over drivers."""
    seconds = WINDOW_FRAMES / RATE_HZ
    window = f"one window of {seconds:.1f} s against a template"
    return [
        *_figures("same face", made.same_face[WINDOW], f"{window}; rendered calls whose drivers share faces"),
        *_figures("same face, pooled", made.same_face[POOLED], "a whole probe against a template; the same calls"),
        _cost(made, "same face", made.same_face[WINDOW]),
        *_figures("own faces", made.own_faces, f"{window}; people on camera, where the face helps"),
        _cost(made, "own faces", made.own_faces),
    ]


def _figures(kind: str, trials: Trials, about: str) -> list[dict[str, Any]]:
    found = []
    for name, measure in (("AUC", pooled_area), ("EER", pooled_equal_error)):
        figure = over_drivers(trials, measure)
        found.append(_figure(f"{name} ({kind})", figure, trials, about))
    return found


def _cost(made: MadeWitness, kind: str, trials: Trials) -> dict[str, Any]:
    def cost(resampled: Trials, weights: NDArray[np.float64] | None) -> float:
        return log_likelihood_ratio_cost(made.calibration.llr(resampled.scores), resampled.genuine, weights)

    figure = over_drivers(trials, cost, rounds=300)
    return _figure(
        f"Cllr, bits ({kind})", figure, trials, "what the log-likelihood ratio of a window costs; 1 = no use"
    )


def _figure(name: str, figure: Estimate, trials: Trials, about: str) -> dict[str, Any]:
    drivers = len(np.unique(trials.template_driver))
    return {**asdict(figure), "name": name, "drivers": drivers, "trials": len(trials.scores), "about": about}
