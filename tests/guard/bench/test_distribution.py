"""Percentiles and histograms of latencies."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.bench.distribution import BINS, distribution, histogram


def test_percentiles_are_over_single_values() -> None:
    found = distribution([float(value) for value in range(101)])
    assert found is not None
    assert (found.count, found.p50_ms, found.p95_ms, found.p99_ms, found.max_ms) == (101, 50, 95, 99, 100)


def test_nothing_has_no_distribution() -> None:
    assert distribution([]) is None


@given(st.lists(st.floats(0, 1e5), min_size=1, max_size=200))
def test_every_value_is_in_one_bin_and_bins_grow_by_one_ratio(values: list[float]) -> None:
    found = histogram(values)
    assert sum(found.counts) == len(values)
    assert len(found.edges_ms) == len(found.counts) + 1 == BINS + 1
    ratios = [upper / lower for lower, upper in itertools.pairwise(found.edges_ms)]
    assert ratios == pytest.approx([ratios[0]] * BINS)


def test_bins_hold_what_lies_between_their_edges() -> None:
    found = histogram([1.0] * 3 + [10.0] * 2 + [100.0])
    assert (found.counts[0], found.counts[BINS // 2], found.counts[-1]) == (3, 2, 1)
    assert (found.edges_ms[0], found.edges_ms[-1]) == (1.0, 100.0)
