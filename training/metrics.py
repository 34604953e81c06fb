"""Error measures of comparison trials, and their uncertainty over drivers.

A *trial* compares a template of one driver with a probe of the same driver (genuine) or of another (impostor). Trials
of one driver are not independent, so confidence intervals resample drivers, never trials.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.errors import DataError

Weights = NDArray[np.float64]

_RULE_OF_30 = 30
"""Errors to see before a rate is known within 30 % (Doddington et al., 2000)."""


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

    def ranked(self) -> Trials:
        """The same trials, best score first: what is measured often is then sorted once."""
        order = np.argsort(-self.scores, kind="stable")
        return Trials(self.scores[order], self.template_driver[order], self.probe_driver[order], self.target[order])

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


def false_non_match_at(
    false_match_rate: float, scores: Weights, genuine: NDArray[np.bool_], weights: Weights | None = None
) -> float:
    """FNMR at the loosest threshold whose FMR is at most `false_match_rate`.

    Nothing is interpolated: with fewer than 1 / false_match_rate impostor trials this is the FNMR at which no impostor
    of the list is accepted, whatever the true rate there may be (`FalseMatchResolution`).
    """
    curve = operating_curve(scores, genuine, weights)
    allowed = int(np.flatnonzero(curve.false_match_rate <= false_match_rate * (1 + 1e-9))[-1])
    return float(curve.false_non_match_rate[allowed])


@dataclass(frozen=True, slots=True)
class FalseMatchResolution:
    """How small a false match rate a list of trials can tell.

    trials: impostor comparisons. pairs: ordered pairs of drivers behind them; comparisons of one pair repeat each
    other, so what counts as independent lies between the two numbers.
    """

    trials: int
    pairs: int

    def verdict(self, false_match_rate: float) -> str:
        """ "resolved", "coarse" where fewer than 30 false matches set the threshold, "not resolved" below one."""
        expected = self.trials * false_match_rate
        if expected < 1:
            return "not resolved"
        return "coarse" if expected < _RULE_OF_30 else "resolved"

    @property
    def lowest_rate(self) -> float:
        """What no false match at all would bound the rate by (95 %, independent trials)."""
        return 3 / self.trials


def false_match_resolution(trials: Trials) -> FalseMatchResolution:
    """Count impostor trials and the pairs of drivers that they come from."""
    impostor = ~trials.genuine
    pairs = np.stack([trials.template_driver[impostor], trials.probe_driver[impostor]], axis=1)
    return FalseMatchResolution(int(impostor.sum()), len(np.unique(pairs, axis=0)))


def mean_target_area(trials: Trials, weights: Weights | None = None) -> float:
    """Mean over targets of the area under the ROC of that target's trials (NVFAIR Eq. 6; feat_diff.md 2.8).

    Targets without both kinds of trial do not count; with weights a target counts as often as its genuine trials do on
    average. Raises DataError where none has both.
    """
    areas, shares = [], []
    for target in np.unique(trials.target[trials.target >= 0]):
        chosen = trials.target == target
        genuine = trials.genuine[chosen]
        weight = np.ones(len(genuine)) if weights is None else weights[chosen]
        try:
            areas.append(area_under_roc(trials.scores[chosen], genuine, weight))
        except DataError:
            continue
        shares.append(float(weight[genuine].mean()))
    if not areas:
        raise DataError("no target has both genuine and impostor trials")
    return float(np.average(areas, weights=shares))


def log_likelihood_ratio_cost(llr: Weights, genuine: NDArray[np.bool_], weights: Weights | None = None) -> float:
    """Cllr in bits (Brümmer and du Preez, 2006): 0 is perfect, 1 is what a constant LLR of 0 costs.

    Each trial counts `weights` times (once by default). Raises DataError unless both kinds of trial carry weight.
    """
    weight = np.ones(len(llr)) if weights is None else weights
    if not (weight[genuine].sum() > 0 and weight[~genuine].sum() > 0):
        raise DataError("Cllr needs genuine and impostor trials; one kind is missing")
    miss = np.average(np.logaddexp(0.0, -llr[genuine]), weights=weight[genuine])
    false_alarm = np.average(np.logaddexp(0.0, llr[~genuine]), weights=weight[~genuine])
    return float((miss + false_alarm) / 2 / np.log(2))


def over_drivers(
    trials: Trials,
    measure: Callable[[Trials, Weights | None], float],
    *,
    rounds: int = 1000,
    seed: int = 0,
) -> Estimate:
    """A measure with its 95 % bootstrap interval over drivers.

    Rounds that leave one kind of trial empty are drawn again (`resampled`).
    """
    ranked = trials.ranked()
    values: list[float] = []
    for weights in resampled(ranked, rounds, seed):
        try:
            values.append(measure(ranked, weights))
        except DataError:
            continue
        if len(values) == rounds:
            break
    if not values:
        raise DataError(f"{len(_drivers(trials))} drivers are too few to resample")
    low, high = np.percentile(values, [2.5, 97.5])
    return Estimate(measure(trials, None), float(low), float(high))


def over_people(values: Weights, rounds: int = 2000) -> Estimate:
    """Mean of one value a person, (n,), with its 95 % bootstrap interval over people."""
    draws = np.random.default_rng(0).integers(len(values), size=(rounds, len(values)))
    low, high = np.percentile(values[draws].mean(axis=1), [2.5, 97.5])
    return Estimate(float(values.mean()), float(low), float(high))


def resampled(trials: Trials, rounds: int, seed: int) -> Iterator[Weights]:
    """Weights of the trials in up to 20 x `rounds` bootstrap rounds over drivers.

    Each round draws as many drivers as there are, with replacement; a genuine trial counts as often as its driver was
    drawn, an impostor trial as often as its pair of drivers was.
    """
    drivers = _drivers(trials)
    template = np.searchsorted(drivers, trials.template_driver)
    probe = np.searchsorted(drivers, trials.probe_driver)
    random = np.random.default_rng(seed)
    for _ in range(20 * rounds):
        counts = np.bincount(random.integers(len(drivers), size=len(drivers)), minlength=len(drivers)).astype(float)
        yield np.where(trials.genuine, counts[template], counts[template] * counts[probe])


def _drivers(trials: Trials) -> NDArray[np.int64]:
    return np.unique(np.concatenate([trials.template_driver, trials.probe_driver]))


@dataclass(frozen=True, slots=True)
class CurveBand:
    """95 % band of an operating curve over resampled drivers; all (k,). low, high: FNMR at each FMR."""

    false_match_rate: Weights
    low: Weights
    high: Weights


def curve_band(trials: Trials, rates: Weights, *, rounds: int = 200, seed: int = 0) -> CurveBand:
    """How far the curve moves at each FMR of `rates` when other drivers are drawn; linear between thresholds."""
    ranked = trials.ranked()
    rows: list[Weights] = []
    for weights in resampled(ranked, rounds, seed):
        try:
            curve = operating_curve(ranked.scores, ranked.genuine, weights)
        except DataError:
            continue
        # Of several rates at one FMR the lowest counts: np.interp takes the last of equal abscissae.
        rows.append(np.interp(rates, curve.false_match_rate, curve.false_non_match_rate))
        if len(rows) == rounds:
            break
    if not rows:
        raise DataError(f"{len(_drivers(trials))} drivers are too few to resample")
    low, high = np.percentile(np.stack(rows), [2.5, 97.5], axis=0)
    return CurveBand(rates, low, high)


def pooled_area(trials: Trials, weights: Weights | None = None) -> float:
    """Area under the ROC of all trials together."""
    return area_under_roc(trials.scores, trials.genuine, weights)


def pooled_equal_error(trials: Trials, weights: Weights | None = None) -> float:
    """Equal error rate of all trials together."""
    return equal_error_rate(trials.scores, trials.genuine, weights)


def pooled_miss_at_1_percent(trials: Trials, weights: Weights | None = None) -> float:
    """FNMR of all trials together at an FMR of 1 %."""
    return false_non_match_at(0.01, trials.scores, trials.genuine, weights)


def pooled_miss_at_1_permille(trials: Trials, weights: Weights | None = None) -> float:
    """FNMR of all trials together at an FMR of 0.1 %."""
    return false_non_match_at(0.001, trials.scores, trials.genuine, weights)
