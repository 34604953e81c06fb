"""Figures of swap errors and of trials, with intervals over people (drivers) of the mean over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.evaluation.comparison import over_seeds
from training.metrics import Estimate, Trials, over_people, pooled_area, pooled_equal_error
from training.person_models.trials import SwapTable, against_cohort, against_general, person_errors

POOLED = 4
"""Probes that are also heard together."""


@dataclass(frozen=True, slots=True)
class Fit:
    """Errors on held-out probes, and their natural log-ratios, positive where the own model errs least."""

    own: Estimate
    general: Estimate
    others: Estimate
    general_over_own: Estimate
    others_over_own: Estimate


@dataclass(frozen=True, slots=True)
class Row:
    """One way to score trials. probes: heard together."""

    name: str
    probes: int
    area: Estimate
    equal_error: Estimate


@dataclass(frozen=True, slots=True)
class Side:
    """One set of trials: people on their own videos, or drivers on common faces. faces: that are shown.

    movement_lead: by how much the area against a cohort is larger than that of looks alone, on the same draws of
    people; with one probe, and with several.
    """

    people: int
    faces: int
    seeds: int
    impostors: int
    fit: Fit
    rows: tuple[Row, ...]
    movement_lead: tuple[Estimate, Estimate]


def side_figures(people: int, faces: int, tables: Sequence[SwapTable], looks: Sequence[SwapTable]) -> Side:
    """Of each seed's table of moving pairs, and of faces that are shown twice."""
    return Side(
        people,
        faces,
        len(tables),
        int((~tables[0].trials(tables[0].errors).genuine).sum()),
        fit_figures(tables),
        (*accuracy_rows(tables), *accuracy_rows(looks, ", looks alone")),
        (_lead(tables, looks, 1), _lead(tables, looks, POOLED)),
    )


def fit_figures(tables: Sequence[SwapTable]) -> Fit:
    """Of each seed's table."""
    by_seed = [person_errors(table) for table in tables]
    own, general, others = (
        np.array([[getattr(person, name) for person in seed] for seed in by_seed])
        for name in ("own", "general", "others")
    )
    return Fit(
        over_people(own.mean(axis=0)),
        over_people(general.mean(axis=0)),
        over_people(others.mean(axis=0)),
        over_people(np.log(general / own).mean(axis=0)),
        over_people(np.log(others / own).mean(axis=0)),
    )


def accuracy_rows(tables: Sequence[SwapTable], control: str = "") -> tuple[Row, ...]:
    """Both scores, of one probe and of several. control: ends their names."""
    found = []
    for name, score in (("against the general model", against_general), ("against a cohort", against_cohort)):
        for probes in (1, POOLED):
            heard = [table.pooled(probes) for table in tables]
            trials = [table.trials(score(table)) for table in heard]
            found.append(_accuracy_row(name + control, probes, trials))
    return tuple(found)


def _lead(tables: Sequence[SwapTable], looks: Sequence[SwapTable], probes: int) -> Estimate:
    (moving, moving_drawn), (still, still_drawn) = (
        over_seeds([heard.trials(against_cohort(heard)) for heard in (t.pooled(probes) for t in side)], pooled_area)
        for side in (tables, looks)
    )
    low, high = np.nanpercentile(moving_drawn - still_drawn, [2.5, 97.5])
    return Estimate(moving.value - still.value, float(low), float(high))


def _accuracy_row(name: str, probes: int, trials: Sequence[Trials]) -> Row:
    """Area and equal error of the same trials as several seeds score them."""
    area, _ = over_seeds(trials, pooled_area)
    error, _ = over_seeds(trials, pooled_equal_error)
    return Row(name, probes, area, error)
