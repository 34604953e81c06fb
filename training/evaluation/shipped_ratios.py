"""Whether the log-likelihood ratios that an engine ships with can be believed on given trials.

An area under the ROC does not see that all scores have moved: a stranger may be told from the enrolled driver and still
be spoken for. So where scores lie is measured beside how well they are ordered.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from engines.protocol import Calibration
from training.errors import DataError
from training.evaluation.streams import log_likelihood_ratio
from training.metrics import Estimate, Trials, Weights, log_likelihood_ratio_cost, over_drivers


@dataclass(frozen=True, slots=True)
class ShippedRatios:
    """genuine_nats, stranger_nats: mean ratio of each kind of trial. stranger_above_0: share of the trials of two
    people that speak for the enrolled one, over drivers. cost_bits: Cllr; 0 is perfect, 1 is what knowing nothing
    costs, and more misleads."""

    genuine_nats: float
    stranger_nats: float
    stranger_above_0: Estimate
    cost_bits: float


def shipped_ratios(trials: Trials, calibration: Calibration, rounds: int) -> ShippedRatios:
    """Read trials of the guard's comparison score as the guard would. Raises DataError without both kinds of trial."""
    llr = log_likelihood_ratio(trials.scores, calibration)
    cost = log_likelihood_ratio_cost(llr, trials.genuine)
    above = over_drivers(replace(trials, scores=llr), _stranger_above_0, rounds=rounds)
    return ShippedRatios(float(llr[trials.genuine].mean()), float(llr[~trials.genuine].mean()), above, cost)


def _stranger_above_0(nats: Trials, weights: Weights | None) -> float:
    stranger = ~nats.genuine
    weight = np.ones(len(stranger)) if weights is None else weights
    if not weight[stranger].any():
        raise DataError("no trial of two people is left")
    return float(np.average(nats.scores[stranger] > 0, weights=weight[stranger]))
