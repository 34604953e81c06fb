"""Cohort and calibration of a witness from tracked calls (`guard-train fusion witness`).

A witness is fitted on exact motion and hears a tracker that works on small pictures out of a decoder. Strangers who
were not heard so are no measure for what is: with a cohort of exact motion and modelled noise the error at 10 s was
0.285, with tracked strangers 0.18 on the same calls (`EXPERIMENTS.md`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.comparison import comparison_scores, mean_embedding
from engines.witnesses.folder import WitnessFolder
from engines.witnesses.protocol import Witness
from training.calibrate import FittedCalibration
from training.cohort import Cohort, build_cohort, calibrate_on, procedural_trials
from training.errors import DataError
from training.evaluate import DriverEmbeddings
from training.evaluation.track_embeddings import embedded
from training.evaluation.witness_calls import SeenCall
from training.metrics import Estimate, Trials, over_drivers, pooled_area, pooled_equal_error
from training.witness_release import Movements, WitnessDraft, write_witness

CALIBRATED = "Calibrated on"
"""With these words, or with "The cohort", the end of a card's training data begins; it is written anew."""

_POOLED_SECONDS = 10.0
_ROUNDS = 500


@dataclass(frozen=True, slots=True)
class CalibratedWitness:
    """single: a template against one window; pooled: against the mean score of 10 s of them."""

    cohort: Cohort
    calibration: FittedCalibration
    single: Trials
    pooled: Trials


def calibrate_witness(
    witness: Witness,
    strangers: Sequence[SeenCall],
    calls: Sequence[SeenCall],
    test: Sequence[SeenCall],
    blends: int = 0,
) -> CalibratedWitness:
    """Make the cohort of strangers, calibrate on single windows of calls, and measure on the test calls.

    blends: rows at the end of the witness's own cohort that are blends of people (`training.cohort`), and stay.

    Raises DataError where somebody showed too little of their face, or one kind of trial is missing.
    """
    rows = [_embedded(witness, each) for each in (strangers, calls, test)]
    cohort = _with_rows(build_cohort(rows[0], []), witness.spec.calibration.cohort, blends)
    fitted = calibrate_on([procedural_trials(rows[1], cohort)])
    return CalibratedWitness(cohort, fitted, procedural_trials(rows[2], cohort), _pooled(witness, rows[2], cohort))


def write_calibrated(folder: WitnessFolder, found: CalibratedWitness, counts: tuple[int, int, int], out: Path) -> None:
    """The witness of a folder with another cohort and calibration.

    counts: strangers, drivers that calibrate, and blends of people in the cohort.

    Raises ExportError where it does not work.
    """
    spec, manifest = folder.spec, folder.manifest
    draft = WitnessDraft(
        spec.name,
        spec.version,
        spec.reads,
        spec.rate_hz,
        spec.window_frames,
        spec.embedding_size,
        found.calibration.slope,
        found.calibration.offset,
    )
    card = {
        "licence": manifest.licence,
        "training_data": (
            f"{_without_end(manifest.training_data)} {CALIBRATED} {counts[1]} procedural drivers in calls "
            f"through VP8, tracked as the guard tracks them; the cohort holds {counts[0]} others and {counts[2]} "
            "blends of two people each."
        ),
        "limits": manifest.limits,
        "metrics": [_metric(*figure) for figure in figures(found)],
    }
    write_witness(out, draft, folder.graph, found.cohort.rows, card, movements=_movements(folder))


def figures(found: CalibratedWitness) -> list[tuple[str, Estimate, Trials]]:
    """Name, figure and the trials behind it."""
    return [
        (f"{name} {length}", over_drivers(trials, of, rounds=_ROUNDS), trials)
        for length, trials in (("one window", found.single), ("10 s", found.pooled))
        for name, of in (("AUC", pooled_area), ("EER", pooled_equal_error))
    ]


def _without_end(training_data: str) -> str:
    """The text up to what is said of cohort and calibration."""
    return re.split(rf"{CALIBRATED}|The cohort", training_data)[0].strip()


def _with_rows(cohort: Cohort, own: NDArray[np.float32], blends: int) -> Cohort:
    if blends > len(own):
        raise DataError(f"the witness's own cohort has {len(own)} rows; {blends} of them cannot be blends")
    kept = own[len(own) - blends :]
    nobodys = np.full((blends, 2), -1, np.int64)
    return Cohort(np.concatenate([cohort.rows, kept]), np.concatenate([cohort.parents, nobodys]))


def _embedded(witness: Witness, calls: Sequence[SeenCall]) -> list[DriverEmbeddings]:
    found = []
    for call in calls:
        enrol, probe = (embedded(witness, side, witness.spec.window_seconds) for side in (call.enrol, call.probe))
        if not (len(enrol) and len(probe)):
            raise DataError(f"the tracker saw too little of driver {call.driver} for a window of {witness.spec.name}")
        found.append(DriverEmbeddings(call.driver, call.face, enrol, probe))
    return found


def _pooled(witness: Witness, rows: Sequence[DriverEmbeddings], cohort: Cohort) -> Trials:
    together = max(1, int(_POOLED_SECONDS / witness.spec.window_seconds))
    parts: list[tuple[int, int, int, float]] = []
    for enrolled in rows:
        template = mean_embedding(enrolled.enrol)[None]
        for heard in rows:
            if heard.target == enrolled.target:
                scores = comparison_scores(template, heard.probe, cohort.rows)[0].astype(np.float64)
                count = len(scores) // together
                means = scores[: count * together].reshape(count, together).mean(axis=1)
                parts += [(enrolled.driver, heard.driver, heard.target, mean) for mean in means.tolist()]
    if not parts:
        raise DataError(f"no call holds {_POOLED_SECONDS:g} s of windows")
    template_driver, probe_driver, target, means = (np.array(column) for column in zip(*parts, strict=True))
    return Trials(means, template_driver, probe_driver, target)


def _metric(name: str, figure: Estimate, trials: Trials) -> dict[str, Any]:
    return {
        "name": name,
        "value": figure.value,
        "low": figure.low,
        "high": figure.high,
        "drivers": len(np.unique(trials.template_driver)),
        "trials": len(trials.scores),
        "about": "procedural test drivers on painted faces, through VP8, tracked; a template against probes, same face",
    }


def _movements(folder: WitnessFolder) -> Movements | None:
    if folder.explanation is None:
        return None
    return Movements(tuple(token.model_dump() for token in folder.explanation.tokens.values()), folder.pictures)
