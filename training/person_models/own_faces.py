"""People on their own videos, enrolled on some days and probed on others: how well their models fit them.

Face, camera and clothes differ between people here, so models are told apart by what somebody looks like. The control
shows each face twice: with no movement to swap, what is left is looks alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.errors import DataError
from training.evaluation.kept_arrays import kept_rows
from training.person_models.faces import Faces, Recording
from training.person_models.kept_models import kept_model, weights_digest
from training.person_models.learning import FEWEST_FRAMES, LearningConfig, enrolment_of
from training.person_models.network import PersonModel
from training.person_models.score import PROBE_APART_FRAMES, probe_pairs, swap_errors
from training.person_models.trials import ANY_FACE, SwapTable

PROBES = 8
"""Recordings of each person, evenly over all there are."""
FEWEST_PROBES = 4
PAIRS_A_PROBE = 4


@dataclass(frozen=True, slots=True)
class PersonSides:
    """One person's recordings of different days."""

    enrol: tuple[Recording, ...]
    probe: tuple[Recording, ...]


def sides_of(everybody: Mapping[str, Sequence[Recording]], frames: int) -> tuple[PersonSides, ...]:
    """Everybody with recordings of two days or more, which take sides in turn. frames: to enrol with, about.

    Raises DataError where fewer than three people have enough.
    """
    found = []
    for recordings in everybody.values():
        days = sorted({recording.session for recording in recordings})
        sides = [[r for r in recordings if r.session in set(days[side::2])] for side in (0, 1)]
        long_enough = [r for r in sides[1] if len(r.faces) > PROBE_APART_FRAMES]
        if sum(len(r.faces) for r in sides[0]) < FEWEST_FRAMES or len(long_enough) < FEWEST_PROBES:
            continue
        chosen = np.unique(np.linspace(0, len(long_enough) - 1, PROBES).round().astype(int))
        found.append(PersonSides(enrolment_of(sides[0], frames), tuple(long_enough[place] for place in chosen)))
    if len(found) < 3:
        raise DataError(f"only {len(found)} people have recordings of two days; a cohort needs 3")
    return tuple(found)


def person_models(
    sides: Sequence[PersonSides],
    general: PersonModel,
    config: LearningConfig,
    kept: Path,
    report: Callable[[], None],
) -> tuple[PersonModel, ...]:
    """The model of each person; those that `kept` holds are not learnt again. report: called after each."""
    models = []
    for number, person in enumerate(sides):
        models.append(kept_model(kept / f"{number:02d}.pt", general, person.enrol, config))
        report()
    return tuple(models)


def swap_table(
    sides: Sequence[PersonSides],
    general: PersonModel,
    models: Sequence[PersonModel],
    kept: Path,
    apart: int = PROBE_APART_FRAMES,
) -> SwapTable:
    """All models on all probes; errors that `kept` holds are not computed again.

    apart: frames between the faces of a pair; 0 shows looks alone.
    """
    probes = [probe_pairs(r.faces, PAIRS_A_PROBE, apart) for person in sides for r in person.probe]
    driver = np.repeat(np.arange(len(sides)), [len(person.probe) for person in sides])
    return SwapTable(
        np.stack([mean_errors(model, probes, kept) for model in models]),
        mean_errors(general, probes, kept),
        np.arange(len(models)),
        np.full(len(models), ANY_FACE),
        driver,
        np.full(len(driver), ANY_FACE),
    )


def mean_errors(model: PersonModel, probes: Sequence[tuple[Faces, Faces]], kept: Path) -> NDArray[np.float64]:
    """A model's mean swap error on each probe, float64 (p,); all pairs go through it together."""
    first, second = (np.concatenate([probe[side] for probe in probes]) for side in (0, 1))

    def errors() -> NDArray[np.float32]:
        return swap_errors(model, first, second).astype(np.float32)[:, None]

    found = kept_rows("errors", weights_digest(model).encode(), np.stack([first, second]), kept, errors)[:, 0]
    ends = np.cumsum([len(probe[0]) for probe in probes])
    return np.array([part.mean(dtype=np.float64) for part in np.split(found, ends[:-1])])
