"""From a comparison score to a log-likelihood ratio, fitted on drivers that no training step saw.

`llr = slope * score + offset` by logistic regression with both kinds of trial weighing the same, so that the prior of
the trial list drops out and what is left is the ratio of likelihoods (Brümmer and du Preez, 2006).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from training.errors import DataError
from training.metrics import log_likelihood_ratio_cost


@dataclass(frozen=True, slots=True)
class FittedCalibration:
    """slope and offset of the LLR line, and what it costs on the trials it was fitted on (Cllr, bits)."""

    slope: float
    offset: float
    cost_bits: float

    def llr(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.slope * scores + self.offset


def fit_calibration(
    scores: NDArray[np.float64], genuine: NDArray[np.bool_], weights: NDArray[np.float64] | None = None
) -> FittedCalibration:
    """Fit the LLR line. scores, genuine, weights: (n,); weights tell trials apart within their kind.

    Raises DataError where a kind is missing or larger scores do not speak for the enrolled driver.
    """
    if genuine.all() or not genuine.any():
        raise DataError("calibration needs genuine and impostor trials; one kind is missing")
    weight = np.ones(len(scores)) if weights is None else weights.astype(np.float64)
    balanced = np.where(genuine, weight / weight[genuine].sum(), weight / weight[~genuine].sum())
    model = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000)
    model.fit(scores[:, None], genuine, sample_weight=balanced * len(scores) / 2)
    slope, offset = float(model.coef_[0, 0]), float(model.intercept_[0])
    if not slope > 0:
        raise DataError(f"scores do not rise with genuineness (slope {slope:.3g}): the engine tells no drivers apart")
    return FittedCalibration(slope, offset, log_likelihood_ratio_cost(slope * scores + offset, genuine))
