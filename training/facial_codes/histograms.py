"""Bags of tokens: what is counted of a stretch of frames, how it is weighed, and how two of them compare.

Histogram of tokens per stage and pooled, TF-IDF with L2 norm for classifiers; chi-square or cosine, with bigrams of
tokens that follow each other, for verification (seed_systems.md 3.2).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Tokens = NDArray[np.int64]


def token_histogram(tokens: Tokens, codes: int) -> Floats:
    """Share of each token (K,) in tokens (n, Q), all stages together. A row of zeros without frames."""
    return _shares(np.bincount(tokens.ravel(), minlength=codes))


def staged_histogram(tokens: Tokens, codes: int) -> Floats:
    """The share of each token within its stage, stage after stage, then pooled: (Q K + K,)."""
    stages = [_shares(np.bincount(column, minlength=codes)) for column in tokens.T]
    return np.concatenate([*stages, token_histogram(tokens, codes)])


def bigram_histogram(stretches: Sequence[Tokens], codes: int, stages: int = 2) -> Floats:
    """Share of each pair (first, next) of tokens that follow each other in one stage, of the first `stages`: (K K,).

    stretches: (n, Q) each, frames without a gap. Later stages are left out: they follow noise (our own choice).
    """
    pairs = [(part[:-1, :stages] * codes + part[1:, :stages]).ravel() for part in stretches]
    return _shares(np.bincount(np.concatenate(pairs), minlength=codes * codes))


def _shares(counts: NDArray[np.int64]) -> Floats:
    total = counts.sum()
    return counts / total if total else counts.astype(np.float64)


def inverse_document_frequency(histograms: Floats) -> Floats:
    """Weight (k,) of each entry by in how few of the histograms (n, k) it is seen: log((1 + n) / (1 + seen)) + 1."""
    return np.asarray(np.log((1 + len(histograms)) / (1 + (histograms > 0).sum(axis=0))) + 1)


def unit_rows(rows: Floats) -> Floats:
    """Rows (n, k) at length 1; zeros stay."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(np.divide(rows, length, out=np.zeros_like(rows), where=length > 0))


def cosine_scores(templates: Floats, probes: Floats) -> Floats:
    """Cosine of every template (n, k) with every probe (m, k): (n, m)."""
    return unit_rows(templates) @ unit_rows(probes).T


def chi_square_scores(templates: Floats, probes: Floats) -> Floats:
    """Minus half the chi-square distance of shares: sum of (a - b)^2 / (a + b) over the entries, (n, m) in [-1, 0]."""
    scores = np.zeros((len(templates), len(probes)))
    for row, template in enumerate(templates):
        both = template + probes
        apart = np.divide((template - probes) ** 2, both, out=np.zeros_like(both), where=both > 0)
        scores[row] = -apart.sum(axis=1) / 2
    return scores


def hellinger_scores(templates: Floats, probes: Floats, weights: Floats | None = None) -> Floats:
    """Cosine of the roots of shares, each times its weight (k,): (n, m) in [0, 1]; Bhattacharyya's without weights."""
    weight = 1.0 if weights is None else weights
    return cosine_scores(np.sqrt(templates) * weight, np.sqrt(probes) * weight)


def telling_weights(histograms: Floats, person: NDArray[np.int64]) -> Floats:
    """Weight (k,) of each token by how much it tells people apart: deviation between people over that within them.

    Of the roots of histograms (n, k) of windows, each person counting the same. Both are shrunk towards their mean over
    tokens, half and half (ours), so that a token that is hardly seen gets no weight by chance. Mean 1.
    """
    roots = np.sqrt(histograms)
    people = np.unique(person)
    means = np.stack([roots[person == one].mean(axis=0) for one in people])
    within = np.mean([roots[person == one].var(axis=0) for one in people], axis=0)
    between = means.var(axis=0)
    within, between = (0.5 * part + 0.5 * part.mean() for part in (within, between))
    ratio = np.sqrt(between / np.maximum(within, 1e-12))
    return np.asarray(ratio / ratio.mean())
