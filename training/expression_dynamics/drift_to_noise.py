"""Drift-to-noise ratio of a person: how far the estimated face shape moves between recordings, against within them.

arXiv 2510.11223 gives the ratio in words and its sign (a shape that drifts goes with people being recognised worse);
the formula is inferred (seed_systems.md 1.3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata, spearmanr

from training.errors import DataError

FEWEST_PEOPLE = 4
"""Of a correlation."""
_PERMUTATIONS = 10_000


@dataclass(frozen=True, slots=True)
class Correlation:
    """Spearman's rank correlation over people, its p value in theory, and as the share of permutations that give as
    strong a one (both two-sided)."""

    rho: float
    p: float
    p_permuted: float


def drift_to_noise(recordings: Sequence[NDArray[np.floating]], *, from_last: bool = False) -> float:
    """Of shapes (n_k, S) of one person's recordings: drift / noise.

    drift: mean distance of the mean shapes of two recordings, over all pairs, or with `from_last` over those of the
    last one, which is the one to recognise. noise: root of the mean total variance within a recording.
    Raises DataError below two recordings, or where a shape never varies.
    """
    if len(recordings) < 2 or min(len(rows) for rows in recordings) < 2:
        raise DataError("drift needs two recordings of two rows or more")
    means = np.stack([rows.mean(axis=0, dtype=np.float64) for rows in recordings])
    noise = np.sqrt(np.mean([rows.var(axis=0, dtype=np.float64).sum() for rows in recordings]))
    if not noise > 0:
        raise DataError("the shape never varies within a recording: a tracker that fixes it has no drift to measure")
    first, second = np.triu_indices(len(means), 1)
    if from_last:
        first, second = first[second == len(means) - 1], second[second == len(means) - 1]
    return float(np.linalg.norm(means[first] - means[second], axis=1).mean() / noise)


def correlation(ratio: NDArray[np.float64], accuracy: NDArray[np.float64], seed: int = 0) -> Correlation:
    """Between values of people (P,) each. Raises DataError below four people, or where one side never varies."""
    if len(ratio) < FEWEST_PEOPLE or np.ptp(ratio) == 0 or np.ptp(accuracy) == 0:
        raise DataError("a correlation needs four people or more, and values that differ")
    rho, p = spearmanr(ratio, accuracy)
    ranks, others = _unit(rankdata(ratio)), _unit(rankdata(accuracy))  # whose product is Spearman's correlation
    random = np.random.default_rng(seed)
    found = random.permuted(np.tile(others, (_PERMUTATIONS, 1)), axis=1) @ ranks
    as_strong = int((np.abs(found) >= abs(rho) - 1e-9).sum())
    return Correlation(float(rho), float(p), (as_strong + 1) / (_PERMUTATIONS + 1))


def _unit(ranks: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = ranks - ranks.mean()
    return np.asarray(centred / np.linalg.norm(centred))
