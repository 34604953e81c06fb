"""Learns the models of a study and tries all of them on all probes, whoever the people and the faces are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engines.person_models.faces import PAIRS_A_PROBE
from training.evaluation.kept_arrays import kept_rows
from training.person_models.faces import Faces, Recording
from training.person_models.kept_models import kept_model, weights_digest
from training.person_models.learning import LearningConfig
from training.person_models.network import PersonModel
from training.person_models.score import PROBE_APART_FRAMES, probe_pairs, swap_errors
from training.person_models.trials import SwapTable


@dataclass(frozen=True, slots=True)
class Enrolled:
    """One person, or driver, on one face (`ANY_FACE` = the own), with recordings to enrol and to probe.

    name: of the file that keeps the model.
    """

    name: str
    driver: int
    face: int
    enrol: tuple[Recording, ...]
    probe: tuple[Recording, ...]


def learnt_models(
    everybody: Iterable[Enrolled],
    general: PersonModel,
    config: LearningConfig,
    kept: Path,
    report: Callable[[], None],
) -> tuple[PersonModel, ...]:
    """The model of each; those that `kept` holds are not learnt again. report: called after each."""
    models = []
    for one in everybody:
        models.append(kept_model(kept / f"{one.name}.pt", general, one.enrol, config))
        report()
    return tuple(models)


def swap_table(
    everybody: Sequence[Enrolled],
    general: PersonModel,
    models: Sequence[PersonModel],
    kept: Path,
    apart: int = PROBE_APART_FRAMES,
) -> SwapTable:
    """All models on all probes, of which trials compare those of one face; errors that `kept` holds are not computed
    again.

    apart: frames between the faces of a pair; 0 shows looks alone.
    """
    probes = probes_of(everybody, apart)
    counts = [len(one.probe) for one in everybody]
    driver, face = np.array([one.driver for one in everybody]), np.array([one.face for one in everybody])
    return SwapTable(
        np.stack([mean_errors(model, probes, kept) for model in models]),
        mean_errors(general, probes, kept),
        driver,
        face,
        np.repeat(driver, counts),
        np.repeat(face, counts),
    )


def probes_of(everybody: Sequence[Enrolled], apart: int = PROBE_APART_FRAMES) -> list[tuple[Faces, Faces]]:
    """Of every recording to probe, in order."""
    return [probe_pairs(one.faces, PAIRS_A_PROBE, apart) for person in everybody for one in person.probe]


def mean_errors(model: PersonModel, probes: Sequence[tuple[Faces, Faces]], kept: Path) -> NDArray[np.float64]:
    """A model's mean swap error on each probe, float64 (p,); all pairs go through it together."""
    first, second = (np.concatenate([probe[side] for probe in probes]) for side in (0, 1))

    def errors() -> NDArray[np.float32]:
        return swap_errors(model, first, second).astype(np.float32)[:, None]

    found = kept_rows("errors", weights_digest(model).encode(), np.stack([first, second]), kept, errors)[:, 0]
    ends = np.cumsum([len(probe[0]) for probe in probes])
    return np.array([part.mean(dtype=np.float64) for part in np.split(found, ends[:-1])])
