"""Rank correlation of measurements that are clustered by driver: windows of one driver repeat each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from training.metrics import Estimate

_ROUNDS = 2000
_FLIPS = 9999
_FEWEST_DRIVERS = 3


@dataclass(frozen=True, slots=True)
class Correlation:
    """Spearman's rank correlation with its interval over resampled drivers, and the two-sided p of no relation."""

    value: Estimate
    p_value: float


NONE_SHOWN = Correlation(Estimate(0.0, -1.0, 1.0), 1.0)
"""Of fewer than three drivers, and where one side never changes."""


def driver_correlation(one: NDArray[np.float64], other: NDArray[np.float64], driver: NDArray[np.int64]) -> Correlation:
    """Of pairs (n,) of which those of one driver (n,) are not independent, however many there are.

    p_value: the correlation is a sum over drivers of products of centred ranks; p is how often that sum gets as far
    from 0 when each driver's share has a random sign (score wild bootstrap, Kline and Santos 2012, of clusters). So d
    drivers never give less than 2 / 2^d. Measuring every window twice changes neither p nor the interval.
    """
    numbers, place = np.unique(driver, return_inverse=True)
    if len(numbers) < _FEWEST_DRIVERS or np.ptp(one) == 0 or np.ptp(other) == 0:
        return NONE_SHOWN
    shares = np.bincount(place, weights=_centred_ranks(one) * _centred_ranks(other)).astype(np.float64)
    drawn = list(_resampled(one, other, place))
    low, high = np.percentile(drawn, [2.5, 97.5]) if drawn else (-1.0, 1.0)
    return Correlation(Estimate(_correlation(one, other), float(low), float(high)), _sign_flip_p(shares))


def _centred_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    centred: NDArray[np.float64] = rankdata(values) - (len(values) + 1) / 2
    return centred


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    first, second = _centred_ranks(one), _centred_ranks(other)
    return float(first @ second / np.sqrt((first @ first) * (second @ second)))


def _sign_flip_p(shares: NDArray[np.float64]) -> float:
    random = np.random.default_rng(0)
    reached = (1 - 1e-9) * abs(shares.sum())
    signs = random.choice([-1.0, 1.0], (_FLIPS, len(shares)))
    as_far = int((np.abs(signs @ shares) >= reached).sum())
    return (1 + as_far) / (1 + _FLIPS)


def _resampled(one: NDArray[np.float64], other: NDArray[np.float64], place: NDArray[np.int64]) -> Iterator[float]:
    """The correlation of as many drivers drawn with replacement; draws in which one side never changes do not count."""
    random = np.random.default_rng(1)
    windows = [np.flatnonzero(place == number) for number in range(int(place.max()) + 1)]
    for _ in range(_ROUNDS):
        rows = np.concatenate([windows[number] for number in random.integers(len(windows), size=len(windows))])
        if np.ptp(one[rows]) > 0 and np.ptp(other[rows]) > 0:
            yield _correlation(one[rows], other[rows])
