"""Numbers of a window in closed form: how far each channel moves, how fast, and what moves with what."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_SMALLEST = 1e-6
_DIAGONAL = 1e-3
"""Share of its own variance that is added to each channel's before the logarithm: ours. A share of the total variance
would drown channels that move little."""


def level(values: NDArray[np.floating]) -> Floats:
    """Mean of each channel of windows (n, T, C): (n, C). The control that sees no motion."""
    return np.asarray(values.mean(axis=1), np.float64)


def deviations(values: NDArray[np.floating]) -> Floats:
    """Log deviations of channels and of their differences, and correlations of channels, of windows (n, T, C).

    (n, 2 C + C (C - 1) / 2): the 170 "dynamics" features of the reference line (seed_systems.md 6.1) for 17 signals.
    """
    moving = np.asarray(values, np.float64)
    spread = moving.std(axis=1)
    covariance = _covariance(moving)
    correlation = covariance / (spread[:, :, None] * spread[:, None, :] + _SMALLEST**2)
    above = np.triu_indices(moving.shape[2], 1)
    speed = np.diff(moving, axis=1).std(axis=1)
    return np.concatenate([_log(spread), _log(speed), correlation[:, *above]], axis=1)


def log_covariance(values: NDArray[np.floating], lags: Sequence[int] = (0, 1)) -> Floats:
    """Matrix logarithm of the covariance of channels beside themselves some rows later, windows (n, T, C).

    (n, k (k + 1) / 2) with k = C * len(lags). Covariances are no vector space and their logarithms are (Arsigny et al.,
    2006; the tangent space of Barachant et al., IEEE TBME 2012), so a linear discriminant fits these.
    """
    moving = np.asarray(values, np.float64)
    rows = moving.shape[1] - max(lags)
    beside = np.concatenate([moving[:, lag : lag + rows] for lag in lags], axis=2)
    covariance = _covariance(beside)
    own = np.diagonal(covariance, axis1=1, axis2=2)
    covariance = covariance + (_DIAGONAL * own + _SMALLEST**2)[:, :, None] * np.eye(beside.shape[2])
    size, directions = np.linalg.eigh(covariance)
    logarithm = (directions * np.log(size)[:, None, :]) @ directions.transpose(0, 2, 1)
    above = np.triu_indices(beside.shape[2])
    return np.asarray(logarithm[:, *above])


def _covariance(values: Floats) -> Floats:
    """(n, C, C) of windows (n, T, C)."""
    centred = values - values.mean(axis=1, keepdims=True)
    return np.asarray(np.matmul(centred.transpose(0, 2, 1), centred) / values.shape[1])


def _log(values: Floats) -> Floats:
    return np.asarray(np.log(values + _SMALLEST))
