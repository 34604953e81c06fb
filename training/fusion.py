"""Fits how opinions are weighed (`fusion.json`), and measures what fusing them is worth on drivers it did not see.

Logistic regression of "genuine" on the LLRs of a set of opinions, both kinds of trial weighing the same, so that what
comes out is a log-likelihood ratio again (Brümmer et al., IEEE TASLP 15(7), 2007). Our own choices: weights are kept at
0 or above, since an opinion for the driver must never count against; a small ridge penalty on them, since drivers are
few; a set for every choice of witnesses, since any of them may be silent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from engines.manifest import Metric
from engines.witnesses.fusion_table import ENGINE, FusedSet, FusionTable
from training.errors import DataError
from training.fusion_trials import FusionTrials
from training.metrics import Estimate, Weights, equal_error_rate, log_likelihood_ratio_cost, over_drivers, resampled

LIMIT_NATS = 6.0
"""Within which each LLR is held before it is weighed; the guard's default limit of evidence."""

RIDGE = 1e-3
"""Penalty on half the sum of squared weights, beside a mean loss in nats."""

_FOLDS = 2
_ROUNDS = 1000
_HEARD_SHARE = 0.5
_WORTH_NOTHING = 0.05
"""Weight of the engine alone below which it tells no drivers apart on these trials."""


_Scored = tuple[FusionTrials, NDArray[np.float64]]
"""Trials and a score for each."""


@dataclass(frozen=True, slots=True)
class Line:
    """Error of one opinion, or of a set of them, on drivers that fitted nothing."""

    names: tuple[str, ...]
    seconds: float
    equal_error: Estimate
    cost_bits: float
    drivers: int
    trials: int

    @property
    def label(self) -> str:
        return " + ".join(self.names)


@dataclass(frozen=True, slots=True)
class Gain:
    """How much less the set of all opinions errs than the best one of them alone, on the same trials."""

    seconds: float
    best: str
    reduction: Estimate
    """1 - EER of the set / EER of the best; its interval over resampled drivers."""


@dataclass(frozen=True, slots=True)
class FusionReport:
    """What fusing is worth: a line for each opinion and set, and the gain, for each length of video."""

    lines: tuple[Line, ...]
    gains: tuple[Gain, ...]

    def table(self) -> str:
        """For people, as Markdown."""
        rows = ["| opinions | video | EER | Cllr, bits | drivers | trials |", "|---|---|---|---|---|---|"]
        rows += [
            f"| {line.label} | {line.seconds:g} s | {line.equal_error} | {line.cost_bits:.3f} | {line.drivers} | "
            f"{line.trials} |"
            for line in self.lines
        ]
        rows += [
            f"\n{gain.seconds:g} s: all together err {gain.reduction} less (as a share) than {gain.best} alone."
            for gain in self.gains
        ]
        return "\n".join(rows)


def fit_set(llrs: NDArray[np.float64], genuine: NDArray[np.bool_], ridge: float = RIDGE) -> tuple[Weights, float]:
    """Weights (k,) >= 0 and bias for LLRs (n, k) in nats. Raises DataError where a kind of trial is missing."""
    if genuine.all() or not genuine.any():
        raise DataError("fusion needs genuine and impostor trials; one kind is missing")
    held = np.clip(llrs, -LIMIT_NATS, LIMIT_NATS)
    sign = np.where(genuine, 1.0, -1.0)
    share = np.where(genuine, 0.5 / genuine.sum(), 0.5 / (~genuine).sum())

    def loss(parameters: Weights) -> tuple[float, Weights]:
        weights, bias = parameters[:-1], parameters[-1]
        margin = sign * (held @ weights + bias)
        pull = -share * sign * expit(-margin)
        value = float(share @ np.logaddexp(0.0, -margin) + 0.5 * ridge * weights @ weights)
        return value, np.append(held.T @ pull + ridge * weights, pull.sum())

    count = held.shape[1]
    start = np.append(np.full(count, 1.0 / count), 0.0)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * count + [(None, None)])
    return np.maximum(found.x[:-1], 0.0), float(found.x[-1])


def fit_table(trials: FusionTrials, seconds: float) -> FusionTable:
    """The table for trials of one length, all drivers taking part. Raises DataError where they are too few."""
    chosen = trials.lasting(seconds)
    alone, _ = _fit(chosen, (ENGINE,))
    if alone[0] < _WORTH_NOTHING:
        raise DataError("the engine tells no drivers apart on these trials; is it the one that gave them?")
    sets = []
    for names in _sets(chosen.names):
        weights, bias = _fit(chosen, names)
        sets.append(FusedSet(weights=dict(zip(names, weights.tolist(), strict=True)), bias=bias))
    return FusionTable(
        format=1,
        seconds=seconds,
        engine_windows=float(alone[0]),
        limit=LIMIT_NATS,
        models=trials.models,
        training_data=f"{trials.training_data} {len(chosen.drivers)} drivers, {len(chosen.seconds)} trials.",
        sets=tuple(sets),
    )


def measured(table: FusionTable, report: FusionReport) -> FusionTable:
    """The table with the equal error rates of its sets, as they came out on drivers that did not fit them."""
    found = {frozenset(line.names): line for line in report.lines if line.seconds == table.seconds}
    sets = [
        each.model_copy(update={"metrics": (_metric(found[each.names]),)}) if each.names in found else each
        for each in table.sets
    ]
    return table.model_copy(update={"sets": tuple(sets)})


def measure(
    trials: FusionTrials, fitted_seconds: float, unseen: FusionTrials | None = None, seed: int = 0
) -> FusionReport:
    """What single opinions and sets of them come to, for each length of video.

    Weights are fitted on trials of `fitted_seconds` alone. unseen: trials of other drivers to measure on; without,
    drivers are halved by the seed, each half is measured with the weights of the other, and pairs across are left out.
    """
    pairs = [(trials, unseen)] if unseen is not None else _halves(trials, seed)
    lines: list[Line] = []
    gains: list[Gain] = []
    for seconds in sorted(set(np.concatenate([test.seconds for _, test in pairs]).tolist())):
        tests = [(fit.lasting(fitted_seconds), test.lasting(seconds)) for fit, test in pairs]
        names = tuple(name for name in trials.names if _speaks(name, tests))
        tests = [(fit, test.heard(names)) for fit, test in tests]
        scored: dict[tuple[str, ...], _Scored] = {}
        for name in names:
            scored[(name,)] = _pooled([(test, test.llrs[name]) for _, test in tests])
        for chosen in _sets(names):
            scored[chosen] = _pooled([(test, _fused(fit, test, chosen)) for fit, test in tests])
        lines += [_line(chosen, seconds, *found) for chosen, found in scored.items()]
        if len(names) > 1:
            gains.append(_gain(scored, names, seconds))
    return FusionReport(tuple(lines), tuple(gains))


def _speaks(name: str, tests: Sequence[tuple[FusionTrials, FusionTrials]]) -> bool:
    """Whether an opinion is heard in most trials: of videos shorter than its window it is in none."""
    return all(np.isfinite(test.llrs[name]).mean() > _HEARD_SHARE for _, test in tests)


def _sets(names: Sequence[str]) -> list[tuple[str, ...]]:
    """The engine with every choice of at least one witness, small sets first."""
    witnesses = [name for name in names if name != ENGINE]
    sizes = range(1, len(witnesses) + 1)
    return [(ENGINE, *chosen) for size in sizes for chosen in combinations(witnesses, size)]


def _fit(trials: FusionTrials, names: tuple[str, ...]) -> tuple[Weights, float]:
    spoken = trials.heard(names)
    return fit_set(np.stack([spoken.llrs[name] for name in names], axis=1), spoken.genuine)


def _fused(fit: FusionTrials, test: FusionTrials, names: tuple[str, ...]) -> NDArray[np.float64]:
    weights, bias = _fit(fit, names)
    llrs = np.stack([np.clip(test.llrs[name], -LIMIT_NATS, LIMIT_NATS) for name in names], axis=1)
    fused: NDArray[np.float64] = llrs @ weights + bias
    return fused


def _halves(trials: FusionTrials, seed: int) -> list[tuple[FusionTrials, FusionTrials]]:
    drivers = np.random.default_rng(seed).permutation(trials.drivers)
    parts = [trials.among(part) for part in np.array_split(drivers, _FOLDS)]
    return [(parts[1 - number], part) for number, part in enumerate(parts)]


def _pooled(parts: Sequence[_Scored]) -> _Scored:
    """The trials of all folds under one another; a driver is in one fold only."""
    joined = FusionTrials.joined([part for part, _ in parts])
    return joined, np.concatenate([scores for _, scores in parts])


def _line(names: tuple[str, ...], seconds: float, trials: FusionTrials, scores: NDArray[np.float64]) -> Line:
    error = over_drivers(
        trials.scored(scores),
        lambda found, weights: equal_error_rate(found.scores, found.genuine, weights),
        rounds=_ROUNDS,
    )
    cost = log_likelihood_ratio_cost(scores, trials.genuine)
    return Line(names, seconds, error, cost, len(trials.drivers), len(scores))


def _gain(scored: dict[tuple[str, ...], _Scored], names: tuple[str, ...], seconds: float) -> Gain:
    trials, together = scored[names]
    singles = {name: scored[(name,)][1] for name in names}
    errors = {name: equal_error_rate(scores, trials.genuine) for name, scores in singles.items()}
    best = min(errors, key=lambda name: errors[name])
    paired = trials.scored(together)
    values = []
    for weights in resampled(paired, _ROUNDS, 0):
        try:
            single = equal_error_rate(singles[best], trials.genuine, weights)
            values.append(1 - equal_error_rate(together, trials.genuine, weights) / single if single > 0 else 0.0)
        except DataError:
            continue
        if len(values) == _ROUNDS:
            break
    low, high = np.percentile(values, [2.5, 97.5]) if values else (np.nan, np.nan)
    whole = 1 - equal_error_rate(together, trials.genuine) / errors[best] if errors[best] > 0 else 0.0
    return Gain(seconds, best, Estimate(whole, float(low), float(high)))


def _metric(line: Line) -> Metric:
    error = line.equal_error
    return Metric(
        name="EER",
        value=error.value,
        low=error.low,
        high=error.high,
        drivers=line.drivers,
        trials=line.trials,
        about=f"{line.seconds:g} s of video, drivers that fitted no weight",
    )
