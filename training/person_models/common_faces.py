"""Several drivers on one face, rendered: whose movements a model has learnt is all that can tell them apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.errors import DataError
from training.evaluation.bench_clips import BenchClips
from training.person_models.faces import Recording, small_faces
from training.person_models.kept_models import kept_model
from training.person_models.learning import FEWEST_FRAMES, LearningConfig
from training.person_models.network import PersonModel
from training.person_models.own_faces import PAIRS_A_PROBE, mean_errors
from training.person_models.score import PROBE_APART_FRAMES, probe_pairs
from training.person_models.trials import SwapTable


@dataclass(frozen=True, slots=True)
class DrivenFace:
    """One driver on one face: windows to enrol with and windows to probe."""

    driver: int
    face: int
    enrol: tuple[Recording, ...]
    probe: tuple[Recording, ...]


def driven_faces(clips: BenchClips) -> tuple[DrivenFace, ...]:
    """Everybody who is long enough to be enrolled, on every face. Raises DataError for under three such drivers."""
    found = []
    for driver, face in sorted(set(zip(clips.driver.tolist(), clips.face.tolist(), strict=True))):
        shown = (clips.driver == driver) & (clips.face == face)
        enrol, probe = (
            tuple(Recording(small_faces(clips.frames[row]), str(row)) for row in np.flatnonzero(shown & side))
            for side in (~clips.probe, clips.probe)
        )
        if sum(len(recording.faces) for recording in enrol) >= FEWEST_FRAMES:
            found.append(DrivenFace(driver, face, enrol, probe))
    drivers = Counter(one.face for one in found)
    if not drivers or min(drivers.values()) < 3:
        raise DataError("a face of the bench has fewer than 3 drivers with enough video; a cohort needs 3")
    return tuple(found)


def driver_models(
    driven: Sequence[DrivenFace],
    general: PersonModel,
    config: LearningConfig,
    kept: Path,
    report: Callable[[], None],
) -> tuple[PersonModel, ...]:
    """The model of each driver on the driver's face; those that `kept` holds are not learnt again."""
    models = []
    for one in driven:
        models.append(kept_model(kept / f"{one.driver:02d}_{one.face:02d}.pt", general, one.enrol, config))
        report()
    return tuple(models)


def driven_table(
    driven: Sequence[DrivenFace],
    general: PersonModel,
    models: Sequence[PersonModel],
    kept: Path,
    apart: int = PROBE_APART_FRAMES,
) -> SwapTable:
    """All models on all probes, of which trials compare those of one face. kept, apart: see `own_faces.swap_table`."""
    probes = [probe_pairs(r.faces, PAIRS_A_PROBE, apart) for one in driven for r in one.probe]
    counts = [len(one.probe) for one in driven]
    owner, face = (np.array(numbers) for numbers in zip(*((one.driver, one.face) for one in driven), strict=True))
    return SwapTable(
        np.stack([mean_errors(model, probes, kept) for model in models]),
        mean_errors(general, probes, kept),
        owner,
        face,
        np.repeat(owner, counts),
        np.repeat(face, counts),
    )
