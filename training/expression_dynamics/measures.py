"""Figures of the two questions with their intervals: people are drawn again, never windows or trials."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from training.errors import DataError
from training.expression_dynamics.protocols import ClosedTally
from training.metrics import Estimate, Trials, area_under_roc, equal_error_rate

_ROUNDS = 1000
_OPEN_ROUNDS = 200
"""Fewer, since each sorts the trials of all draws and seeds."""

Weights = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ClosedFigures:
    """Shares of windows and of whole recordings whose person came first, or among the first five."""

    people: int
    windows: int
    first: Estimate
    among_five: Estimate
    recording_first: Estimate
    recording_among_five: Estimate

    @property
    def chance(self) -> float:
        return 1 / self.people


@dataclass(frozen=True, slots=True)
class OpenFigures:
    """Means over draws and seeds."""

    area: Estimate
    equal_error: Estimate


def mean_tally(tallies: Sequence[ClosedTally]) -> ClosedTally:
    """Of several seeds."""
    rows = {one.name: np.mean([getattr(tally, one.name) for tally in tallies], axis=0) for one in fields(ClosedTally)}
    return ClosedTally(**rows)


def closed_figures(tally: ClosedTally) -> ClosedFigures:
    """With intervals over people drawn again, the list of people to choose from staying as it is."""
    people = len(tally.windows)
    draws = list(_drawn(people, _ROUNDS))
    once = np.ones(people)

    def estimate(hits: Weights, of: Weights) -> Estimate:
        values = [float((drawn * hits).sum() / (drawn * of).sum()) for drawn in draws]
        low, high = np.percentile(values, [2.5, 97.5])
        return Estimate(float(hits.sum() / of.sum()), float(low), float(high))

    return ClosedFigures(
        people,
        int(tally.windows.sum()),
        estimate(tally.first, tally.windows),
        estimate(tally.among_five, tally.windows),
        estimate(tally.recording_first, once),
        estimate(tally.recording_among_five, once),
    )


def closed_gain(tally: ClosedTally, other: ClosedTally) -> Estimate:
    """By how much more windows have their person first than in another row, the same people drawn for both."""
    of = tally.windows
    values = [
        float((drawn * (tally.first - other.first)).sum() / (drawn * of).sum()) for drawn in _drawn(len(of), _ROUNDS)
    ]
    low, high = np.percentile(values, [2.5, 97.5])
    return Estimate(float((tally.first - other.first).sum() / of.sum()), float(low), float(high))


def open_gain(trials: Sequence[Trials], others: Sequence[Trials], people: int) -> Estimate:
    """By how much the mean area is larger than another row's, the same people drawn for both."""
    sides = [[one.ranked() for one in side] for side in (trials, others)]

    def gain(drawn: Weights | None) -> float:
        areas = [[_area(one, drawn) for one in side] for side in sides]
        return float(np.mean(areas[0]) - np.mean(areas[1]))

    values = []
    for drawn in _drawn(people, _OPEN_ROUNDS):
        try:
            values.append(gain(drawn))
        except DataError:  # nobody of one draw was drawn again
            continue
    if not values:
        raise DataError("too few people to draw again")
    low, high = np.percentile(values, [2.5, 97.5])
    return Estimate(gain(None), float(low), float(high))


def _area(trials: Trials, drawn: Weights | None) -> float:
    return area_under_roc(trials.scores, trials.genuine, None if drawn is None else _weights(trials, drawn))


def open_figures(trials: Sequence[Trials], people: int) -> OpenFigures:
    """Of the trials of every draw and seed, in which people are numbered alike."""
    ranked = [one.ranked() for one in trials]
    draws = list(_drawn(people, _OPEN_ROUNDS))
    return OpenFigures(_estimate(ranked, draws, area_under_roc), _estimate(ranked, draws, equal_error_rate))


def _estimate(
    trials: Sequence[Trials],
    draws: Sequence[Weights],
    measure: Callable[[Weights, NDArray[np.bool_], Weights | None], float],
) -> Estimate:
    value = float(np.mean([measure(one.scores, one.genuine, None) for one in trials]))
    values = []
    for drawn in draws:
        try:
            values.append(np.mean([measure(one.scores, one.genuine, _weights(one, drawn)) for one in trials]))
        except DataError:  # nobody of one draw was drawn again
            continue
    if not values:
        raise DataError("too few people to draw again")
    low, high = np.percentile(values, [2.5, 97.5])
    return Estimate(value, float(low), float(high))


def _weights(trials: Trials, drawn: Weights) -> Weights:
    """As `training.metrics.resampled` weighs: an impostor trial counts as often as both of its people were drawn."""
    own = drawn[trials.probe_driver]
    return np.where(trials.genuine, own, own * drawn[trials.template_driver])


def _drawn(people: int, rounds: int) -> Iterator[Weights]:
    """How often each of the people (P,) is drawn, with replacement."""
    random = np.random.default_rng(0)
    for _ in range(rounds):
        yield np.bincount(random.integers(people, size=people), minlength=people).astype(np.float64)
