"""From a study to a folder that a guard can use: the general model, a cohort, and what a log-ratio is worth.

Calibrated is what the guard meets: models of people on one face, asked about others who drive that face, against a
cohort of people on faces of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from engines.hashed_files import file_entry
from engines.manifest import ManifestCalibration, Metric
from engines.person_models.folder import (
    FORMAT_VERSION,
    GENERAL_FILE,
    PERSON_MODELS_FOLDER,
    PersonLearning,
    PersonModelManifest,
    deciding_sha256,
    read_person_manifest,
)
from training.calibrate import fit_calibration
from training.evaluation.comparison import over_seeds
from training.metrics import Trials, pooled_area
from training.person_models.checkpoint import load_model, weights_of
from training.person_models.swap_tables import Enrolled, mean_errors, probes_of, swap_table
from training.person_models.trials import against_general
from training.released_folder import check_replaceable, write_folder

_SEEN_PERCENTILES = (1, 99)
"""Of the trials' log-likelihood ratios, between which calibration has seen enough. Our choice."""
LIMITS = (
    "Does not tell who drives a face, as far as was measured: it mostly says whether the face looks as it did at "
    "enrolment. A person's model can draw that person's face."
)


def release_person_models(
    out: Path,
    general: Path,
    cohort: Sequence[Path],
    driven: Sequence[Enrolled],
    models: Sequence[Path],
    *,
    learning: PersonLearning,
    version: str,
    licence: str,
    training_data: str,
    kept: Path,
) -> PersonModelManifest:
    """Write `out`, in place of such a folder that lies there, and return its manifest.

    general, cohort: files of models. driven, models: drivers of a common face and the files of their models, for
    calibration. learning: how all of them were learnt. kept: where errors of models are kept. Raises ExportError where
    `out` holds something else, DataError where the log-ratio of the claimed model against this cohort does not rise
    with genuineness.
    """
    check_replaceable(out, PERSON_MODELS_FOLDER)
    trials = claim_trials(general, cohort, driven, models, kept)
    fitted = fit_calibration(trials.scores, trials.genuine)
    names = [GENERAL_FILE, *(f"cohort/{number}.pt" for number in range(len(cohort)))]
    contents = {name: path.read_bytes() for name, path in zip(names, (general, *cohort), strict=True)}
    weights = len(weights_of(load_model(general)))
    limit = float(np.abs(np.percentile(fitted.llr(trials.scores), _SEEN_PERCENTILES)).max())
    calibration = ManifestCalibration(slope=fitted.slope, offset=fitted.offset)
    files = {name: file_entry(content) for name, content in contents.items()}
    manifest = PersonModelManifest(
        format=FORMAT_VERSION,
        version=version,
        licence=licence,
        training_data=training_data,
        limits=LIMITS,
        weights=weights,
        learning=learning,
        calibration=calibration,
        limit=limit,
        metrics=(_area(trials), _cost(trials, fitted.cost_bits)),
        files=files,
        model_sha256=deciding_sha256(weights, learning, calibration, limit, files),
    )
    write_folder(out, PERSON_MODELS_FOLDER, manifest, contents, read_person_manifest)
    return manifest


def claim_trials(
    general: Path, cohort: Sequence[Path], driven: Sequence[Enrolled], models: Sequence[Path], kept: Path
) -> Trials:
    """Every driver's model against every probe on its face, scored as the guard's worker scores."""
    probes = probes_of(driven)
    others = np.mean([np.log(mean_errors(load_model(path), probes, kept)) for path in cohort], axis=0)
    table = swap_table(driven, load_model(general), [load_model(path) for path in models], kept)
    against = replace(table, general=np.exp(others))
    return against.trials(against_general(against))


def _area(trials: Trials) -> Metric:
    area, _ = over_seeds([trials], pooled_area)
    about = "drivers of one face, one probe, against the cohort; the drivers that calibration was fitted on"
    return _metric("auc", area.value, area.low, area.high, trials, about)


def _cost(trials: Trials, bits: float) -> Metric:
    about = "what the log-likelihood ratios cost on the trials that they were fitted on; 1 tells nothing"
    return _metric("cllr_bits", bits, bits, bits, trials, about)


def _metric(name: str, value: float, low: float, high: float, trials: Trials, about: str) -> Metric:
    drivers = len(np.unique(trials.probe_driver))
    return Metric(name=name, value=value, low=low, high=high, drivers=drivers, trials=len(trials.scores), about=about)
