"""Latencies of one kind summed up: percentiles and a histogram. Pure.

Percentiles are over single frames, never means of percentiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BINS = 40


@dataclass(frozen=True, slots=True)
class Histogram:
    """counts[i]: values from edges_ms[i] up to edges_ms[i + 1], the last bin with its upper edge."""

    edges_ms: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Distribution:
    """Milliseconds over `count` values."""

    count: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    histogram: Histogram


def distribution(values_ms: Sequence[float]) -> Distribution | None:
    """None where there is nothing to sum up."""
    if not values_ms:
        return None
    p50, p95, p99, worst = (float(value) for value in np.percentile(values_ms, (50, 95, 99, 100)))
    return Distribution(len(values_ms), p50, p95, p99, worst, histogram(values_ms))


def histogram(values_ms: Sequence[float]) -> Histogram:
    """Bins of equal width on a logarithmic scale from the least value to the largest, none below 0.01 ms.

    Latencies spread over decades: on a linear scale one stall would squeeze everything else into one bin.
    """
    values = np.maximum(np.asarray(values_ms, np.float64), 0.01)
    low, high = float(values.min()), float(values.max())
    edges = np.geomspace(low, max(high, low * 1.01), BINS + 1)
    edges[0], edges[-1] = low, max(high, low * 1.01)  # not rounded: the extremes belong to the outer bins
    counts, _ = np.histogram(values, edges)
    return Histogram(tuple(float(edge) for edge in edges), tuple(int(count) for count in counts))
