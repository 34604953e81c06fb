"""Error measures of comparison trials, and their uncertainty over drivers.

A *trial* compares a template of one driver with a probe of the same driver (genuine) or of another (impostor). Trials
of one driver are not independent, so confidence intervals resample drivers, never trials.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.errors import DataError

Weights = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Trials:
    """Scores of comparisons; all arrays (n,).

    scores: float, larger = more alike. template_driver, probe_driver: int driver numbers; a trial is genuine where
    they are equal. target: int number of the face that both sides show, or -1 where they differ.
    """

    scores: NDArray[np.float64]
    template_driver: NDArray[np.int64]
    probe_driver: NDArray[np.int64]
    target: NDArray[np.int64]

    @property
    def genuine(self) -> NDArray[np.bool_]:
        same: NDArray[np.bool_] = self.template_driver == self.probe_driver
        return same

    def subset(self, chosen: NDArray[np.bool_]) -> Trials:
        return Trials(self.scores[chosen], self.template_driver[chosen], self.probe_driver[chosen], self.target[chosen])

    def joined(self, other: Trials) -> Trials:
        """Both sets of trials; driver and target numbers must come from one numbering."""
        return Trials(
            np.concatenate([self.scores, other.scores]),
            np.concatenate([self.template_driver, other.template_driver]),
            np.concatenate([self.probe_driver, other.probe_driver]),
            np.concatenate([self.target, other.target]),
        )


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its interval: the 2.5 and 97.5 percentiles over resampled drivers."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True, slots=True)
class OperatingCurve:
    """Error rates at every threshold, thresholds falling; all (n + 1,), the first accepts nobody."""

    false_match_rate: Weights
    false_non_match_rate: Weights


def operating_curve(scores: Weights, genuine: NDArray[np.bool_], weights: Weights | None = None) -> OperatingCurve:
    """FMR and FNMR over all distinct thresholds, each trial counted `weights` times (once by default).

    Raises DataError unless both kinds of trial carry weight.
    """
    weight = np.ones(len(scores)) if weights is None else weights
    order = np.argsort(-scores, kind="stable")
    ranked, is_genuine, ranked_weight = scores[order], genuine[order], weight[order]
    match = np.cumsum(np.where(is_genuine, ranked_weight, 0.0))
    false_match = np.cumsum(np.where(is_genuine, 0.0, ranked_weight))
    if len(scores) == 0 or match[-1] <= 0 or false_match[-1] <= 0:
        raise DataError("an error rate needs genuine and impostor trials; one kind is missing")
    last_of_tie = np.append(ranked[1:] != ranked[:-1], True)
    fmr = np.append(0.0, false_match[last_of_tie] / false_match[-1])
    fnmr = np.append(1.0, 1.0 - match[last_of_tie] / match[-1])
    return OperatingCurve(fmr, fnmr)


def area_under_roc(scores: Weights, genuine: NDArray[np.bool_], weights: Weights | None = None) -> float:
    """Share of genuine-impostor pairs that are ranked right, ties counting half."""
    curve = operating_curve(scores, genuine, weights)
    return float(np.trapezoid(1.0 - curve.false_non_match_rate, curve.false_match_rate))


def equal_error_rate(scores: Weights, genuine: NDArray[np.bool_], weights: Weights | None = None) -> float:
    """The rate at which FMR and FNMR meet, linearly between neighbouring thresholds."""
    curve = operating_curve(scores, genuine, weights)
    gap = curve.false_match_rate - curve.false_non_match_rate
    after = int(np.argmax(gap >= 0))
    step = gap[after] - gap[after - 1]
    share = -gap[after - 1] / step
    return float(
        curve.false_match_rate[after - 1] + share * (curve.false_match_rate[after] - curve.false_match_rate[after - 1])
    )


def mean_target_area(trials: Trials, weights: Weights | None = None) -> float:
    """Mean over targets of the area under the ROC of that target's trials (NVFAIR Eq. 6; feat_diff.md 2.8).

    Targets without both kinds of trial do not count. Raises DataError where none has both.
    """
    areas = []
    for target in np.unique(trials.target[trials.target >= 0]):
        chosen = trials.target == target
        weight = None if weights is None else weights[chosen]
        try:
            areas.append(area_under_roc(trials.scores[chosen], trials.genuine[chosen], weight))
        except DataError:
            continue
    if not areas:
        raise DataError("no target has both genuine and impostor trials")
    return float(np.mean(areas))


def log_likelihood_ratio_cost(llr: Weights, genuine: NDArray[np.bool_]) -> float:
    """Cllr in bits (Brümmer and du Preez, 2006): 0 is perfect, 1 is what a constant LLR of 0 costs."""
    if genuine.all() or not genuine.any():
        raise DataError("Cllr needs genuine and impostor trials; one kind is missing")
    miss = np.logaddexp(0.0, -llr[genuine]).mean()
    false_alarm = np.logaddexp(0.0, llr[~genuine]).mean()
    return float((miss + false_alarm) / 2 / np.log(2))


def over_drivers(
    trials: Trials,
    measure: Callable[[Trials, Weights | None], float],
    *,
    rounds: int = 1000,
    seed: int = 0,
) -> Estimate:
    """A measure with its 95 % bootstrap interval over drivers.

    Each round draws as many drivers as there are, with replacement; a genuine trial counts as often as its driver was
    drawn, an impostor trial as often as its pair of drivers was. Rounds that leave one kind empty are drawn again.
    """
    drivers = np.unique(np.concatenate([trials.template_driver, trials.probe_driver]))
    template = np.searchsorted(drivers, trials.template_driver)
    probe = np.searchsorted(drivers, trials.probe_driver)
    random = np.random.default_rng(seed)
    values: list[float] = []
    for _ in range(20 * rounds):
        counts = np.bincount(random.integers(len(drivers), size=len(drivers)), minlength=len(drivers)).astype(float)
        weights = np.where(trials.genuine, counts[template], counts[template] * counts[probe])
        try:
            values.append(measure(trials, weights))
        except DataError:
            continue
        if len(values) == rounds:
            break
    if not values:
        raise DataError(f"{len(drivers)} drivers are too few to resample")
    low, high = np.percentile(values, [2.5, 97.5])
    return Estimate(measure(trials, None), float(low), float(high))


def pooled_area(trials: Trials, weights: Weights | None = None) -> float:
    """Area under the ROC of all trials together."""
    return area_under_roc(trials.scores, trials.genuine, weights)


def pooled_equal_error(trials: Trials, weights: Weights | None = None) -> float:
    """Equal error rate of all trials together."""
    return equal_error_rate(trials.scores, trials.genuine, weights)
