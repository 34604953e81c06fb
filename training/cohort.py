"""The cohort: strangers that comparison scores are measured against, and calibration beside it.

Procedural strangers are one row each. Rows from real people are blends of windows of two different people, so that
nobody's template travels with an engine; a blend of two is still as typical of real motion as either. Real people are
there twice: as rendered onto other faces, and as filmed (`filmed_cohort`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.comparison import comparison_scores, mean_embedding
from training.calibrate import FittedCalibration, fit_calibration
from training.evaluate import DriverEmbeddings, pooled, template_trials
from training.metrics import Trials

_BLENDS_PER_DRIVER = 4
_BLENDS_PER_FILMED = 2
"""Of two people each; with some 40 people there are enough for the nearest rows of a filmed face to be filmed ones."""
NOBODY, FILMED = -1, -2
"""In place of drivers' numbers: rows of procedural strangers, and blends of people who take part in no trial."""
_SAME_BLEND = 0.999
"""Cosine; an engine differs from the network that its cohort was made by, but hardly."""


@dataclass(frozen=True, slots=True)
class Cohort:
    """rows: float32 (m, D), L2-normalised. parents: int64 (m, 2), the numbers of the drivers behind each row, or
    NOBODY or FILMED."""

    rows: NDArray[np.float32]
    parents: NDArray[np.int64]

    def without(self, drivers: Sequence[int]) -> NDArray[np.float32]:
        """The rows that none of these drivers is part of."""
        kept: NDArray[np.float32] = self.rows[~np.isin(self.parents, drivers).any(axis=1)]
        return kept


def build_cohort(
    strangers: Sequence[DriverEmbeddings],
    real: Sequence[DriverEmbeddings],
    filmed: Sequence[NDArray[np.float32]] = (),
    seed: int = 0,
) -> Cohort:
    """A row for each procedural stranger, and blends of the real drivers, whose numbers are kept as parents.

    filmed: the windows of each of further people, (n, D), who are blended among themselves.
    """
    rows = [mean_embedding(np.concatenate([one.enrol, one.probe])) for one in strangers]
    parents = [(NOBODY, NOBODY)] * len(rows)
    windows: dict[int, list[NDArray[np.float32]]] = {}
    for one in real:
        windows.setdefault(one.driver, []).append(np.concatenate([one.enrol, one.probe]))
    people = {driver: np.concatenate(parts) for driver, parts in windows.items()}
    random = np.random.default_rng(seed)
    for row, pair in _blends(people, _BLENDS_PER_DRIVER, random):
        rows.append(row)
        parents.append(pair)
    blended = [row for row, _ in _blends(dict(enumerate(filmed)), _BLENDS_PER_FILMED, random)]
    parents += [(FILMED, FILMED)] * len(blended)
    return Cohort(np.stack(rows + blended), np.array(parents, np.int64))


def _blends(
    people: Mapping[int, NDArray[np.float32]], count: int, random: np.random.Generator
) -> Iterator[tuple[NDArray[np.float32], tuple[int, int]]]:
    """`count` of everybody with somebody else, and who the two are; none of a single person."""
    for one in people if len(people) > 1 else ():
        for _ in range(count):
            other = int(random.choice([number for number in people if number != one]))
            halves = [mean_embedding(_some(people[number], random)) for number in (one, other)]
            yield mean_embedding(np.stack(halves)), (one, other)


def recognised_cohort(rows: NDArray[np.float32], real: Sequence[DriverEmbeddings]) -> Cohort:
    """A cohort that an engine ships, float32 (m, D), with the parents of those rows that are blends of these people.

    The same people make the same blends; rows that none of them is like stay nobody's.
    """
    parents = np.full((len(rows), 2), NOBODY, np.int64)
    if len({one.driver for one in real}) > 1:
        blends = build_cohort([], real)
        likeness = rows @ blends.rows.T
        known = likeness.max(axis=1) >= _SAME_BLEND
        parents[known] = blends.parents[likeness.argmax(axis=1)[known]]
    return Cohort(rows, parents)


def _some(windows: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """Half of the windows: blends of the same two people then differ."""
    return windows[random.permutation(len(windows))[: max(1, len(windows) // 2)]]


def real_trials(rows: Sequence[DriverEmbeddings], cohort: Cohort) -> Trials:
    """Template trials of real drivers, each pair scored without the cohort rows that either is part of."""
    scores, template_driver, probe_driver, target = [], [], [], []
    for enrolled in rows:
        for probing in rows:
            if enrolled.target != probing.target:
                continue
            strangers = cohort.without([enrolled.driver, probing.driver])
            row = comparison_scores(pooled(enrolled.enrol), probing.probe, strangers)[0]
            scores.append(row.astype(np.float64))
            template_driver += [enrolled.driver] * len(row)
            probe_driver += [probing.driver] * len(row)
            target += [enrolled.target] * len(row)
    return Trials(np.concatenate(scores), np.array(template_driver), np.array(probe_driver), np.array(target))


def procedural_trials(rows: Sequence[DriverEmbeddings], cohort: Cohort) -> Trials:
    """Template trials of procedural drivers, none of whom is in the cohort."""
    return template_trials(rows, lambda templates, probes: comparison_scores(templates, probes, cohort.rows))


def calibrate_on(kinds: Sequence[Trials]) -> FittedCalibration:
    """One line for several kinds of trial, each kind weighing the same however many trials it has."""
    scores = np.concatenate([trials.scores for trials in kinds])
    genuine = np.concatenate([trials.genuine for trials in kinds])
    weights = np.concatenate([_even(trials) for trials in kinds])
    return fit_calibration(scores, genuine, weights)


def _even(trials: Trials) -> NDArray[np.float64]:
    """Weights that sum to 1 over the genuine and to 1 over the impostor trials."""
    count = np.where(trials.genuine, trials.genuine.sum(), (~trials.genuine).sum())
    weights: NDArray[np.float64] = 1.0 / count
    return weights
