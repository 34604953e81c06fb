"""From every model's errors on every probe to trials: is the claimed person's model the one that errs least?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.errors import DataError
from training.metrics import Trials

ANY_FACE = -1


@dataclass(frozen=True, slots=True)
class SwapTable:
    """Mean swap errors (`score.swap_errors`) of m person models and of the general one on p probes.

    errors: float64 (m, p). general: float64 (p,). owner, model_face: int64 (m,), whose model it is, learnt on which
    face. driver, face: int64 (p,), who drives a probe and which face it shows; `ANY_FACE` = the driver's own.
    """

    errors: NDArray[np.float64]
    general: NDArray[np.float64]
    owner: NDArray[np.int64]
    model_face: NDArray[np.int64]
    driver: NDArray[np.int64]
    face: NDArray[np.int64]

    def pooled(self, count: int) -> SwapTable:
        """Up to `count` neighbouring probes of one driver on one face as one: their mean errors."""
        groups = []
        for driver, face in sorted(set(zip(self.driver.tolist(), self.face.tolist(), strict=True))):
            rows = np.flatnonzero((self.driver == driver) & (self.face == face))
            groups += [rows[first : first + count] for first in range(0, len(rows), count)]
        first = np.array([group[0] for group in groups])
        return SwapTable(
            np.stack([self.errors[:, group].mean(axis=1) for group in groups], axis=1),
            np.array([self.general[group].mean() for group in groups]),
            self.owner,
            self.model_face,
            self.driver[first],
            self.face[first],
        )

    def trials(self, scores: NDArray[np.float64]) -> Trials:
        """Every model against every probe of its face. scores: float64 (m, p)."""
        model, probe = np.nonzero(self.model_face[:, None] == self.face)
        return Trials(scores[model, probe], self.owner[model], self.driver[probe], self.face[probe])


def against_general(table: SwapTable) -> NDArray[np.float64]:
    """Log-ratios (m, p) of the general model's errors to the claimed person's."""
    ratios: NDArray[np.float64] = np.log(table.general) - np.log(table.errors)
    return ratios


def against_cohort(table: SwapTable) -> NDArray[np.float64]:
    """Log-ratios (m, p) of other people's models on the same face, logs averaged, to the claimed person's.

    Neither the claimed person nor whoever drives the probe is in the cohort. Raises DataError where nobody is left.
    """
    logs = np.log(table.errors)
    ratios = np.empty_like(logs)
    for model, owner in enumerate(table.owner):
        for probe, driver in enumerate(table.driver):
            others = (table.owner != owner) & (table.owner != driver) & (table.model_face == table.model_face[model])
            if not others.any():
                raise DataError("a cohort needs models of three people on one face")
            ratios[model, probe] = logs[others, probe].mean() - logs[model, probe]
    return ratios


@dataclass(frozen=True, slots=True)
class PersonErrors:
    """One person's held-out probes: mean error of the own model, of the general one and of other people's."""

    own: float
    general: float
    others: float


def person_errors(table: SwapTable) -> tuple[PersonErrors, ...]:
    """By person, in the order of their numbers; on a common face others are those who were learnt on it."""
    found = []
    for driver in np.unique(table.driver):
        own, general, others = [], [], []
        for probe in np.flatnonzero(table.driver == driver):
            same_face = table.model_face == table.face[probe]
            own.append(table.errors[same_face & (table.owner == driver), probe].mean())
            others.append(table.errors[same_face & (table.owner != driver), probe].mean())
            general.append(table.general[probe])
        found.append(PersonErrors(float(np.mean(own)), float(np.mean(general)), float(np.mean(others))))
    return tuple(found)
