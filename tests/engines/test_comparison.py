"""The cohort-normalised comparison score against its definition and its invariances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engines.comparison import (
    COHORT_NEAREST,
    cohort_statistics,
    comparison_scores,
    mean_embedding,
    normalised_score,
)
from engines.errors import EngineInputError


def rows(count: int, size: int, seed: int) -> NDArray[np.float32]:
    drawn = np.random.default_rng(seed).standard_normal((count, size))
    unit: NDArray[np.float32] = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
    return unit


def by_definition(template: NDArray[np.float32], probe: NDArray[np.float32], cohort: NDArray[np.float32]) -> float:
    cosine = float(template @ probe)
    sides = []
    for side in (template, probe):
        nearest = np.sort(cohort @ side)[-COHORT_NEAREST:]
        sides.append((cosine - nearest.mean()) / nearest.std())
    return float(np.mean(sides))


@pytest.mark.parametrize("cohort_size", [5, COHORT_NEAREST, 200])
def test_follows_the_definition(cohort_size: int) -> None:
    templates, probes, cohort = rows(3, 16, 1), rows(4, 16, 2), rows(cohort_size, 16, 3)
    scores = comparison_scores(templates, probes, cohort)
    expected = [[by_definition(t, p, cohort) for p in probes] for t in templates]
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("cohort_size", [2, COHORT_NEAREST, 200])
def test_statistics_are_those_of_the_nearest_rows(cohort_size: int) -> None:
    probes, cohort = rows(5, 24, 4), rows(cohort_size, 24, 5)
    nearest = np.sort(probes @ cohort.T, axis=1)[:, -COHORT_NEAREST:]
    found = cohort_statistics(probes, cohort)
    np.testing.assert_allclose(found.mean, nearest.mean(axis=1), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(found.std, nearest.std(axis=1), rtol=1e-5)
    assert found.mean.dtype == found.std.dtype == np.float32


def test_one_template_and_one_probe_score_as_in_a_table() -> None:
    template, probe, cohort = rows(1, 24, 6), rows(1, 24, 7), rows(100, 24, 8)
    [[expected]] = comparison_scores(template, probe, cohort)
    cosine = float(template[0] @ probe[0])
    score = normalised_score(cosine, cohort_statistics(template, cohort), cohort_statistics(probe, cohort))
    assert score == pytest.approx(expected, rel=1e-5)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000))
def test_template_and_probe_are_interchangeable_and_cohort_order_is_free(seed: int) -> None:
    one, other, cohort = rows(2, 8, seed), rows(3, 8, seed + 1), rows(90, 8, seed + 2)
    shuffled = cohort[np.random.default_rng(seed).permutation(90)]
    np.testing.assert_allclose(
        comparison_scores(one, other, cohort), comparison_scores(other, one, shuffled).T, rtol=1e-4, atol=1e-4
    )


def test_an_average_mover_gets_no_credit_for_being_close_to_everybody() -> None:
    cohort = rows(200, 16, 5) + 1.0
    cohort = (cohort / np.linalg.norm(cohort, axis=1, keepdims=True)).astype(np.float32)
    average = mean_embedding(cohort)[None]
    typical = cohort[:1]
    assert float((average @ typical.T)[0, 0]) > 0.6
    assert float(comparison_scores(average, typical, cohort[1:])[0, 0]) < 1.0
    assert float(comparison_scores(typical, typical, cohort[1:])[0, 0]) > 2.0


def test_a_collapsed_cohort_stays_finite() -> None:
    one = rows(1, 8, 1)
    assert np.isfinite(comparison_scores(one, one, np.repeat(one, 4, axis=0))).all()


def test_mean_embedding_is_a_unit_row_between_its_parts() -> None:
    parts = rows(4, 8, 9)
    template = mean_embedding(parts)
    assert np.linalg.norm(template) == pytest.approx(1.0, abs=1e-6)
    np.testing.assert_allclose(template * np.linalg.norm(parts.mean(0)), parts.mean(0), atol=1e-6)


def test_misfits_are_refused() -> None:
    with pytest.raises(EngineInputError, match="same length"):
        cohort_statistics(rows(2, 8, 1), rows(5, 9, 2))
    with pytest.raises(EngineInputError, match="at least 2 rows"):
        cohort_statistics(rows(2, 8, 1), rows(1, 8, 2))
    with pytest.raises(EngineInputError, match="at least one"):
        mean_embedding(np.zeros((0, 8), np.float32))
    with pytest.raises(EngineInputError, match="cancel"):
        mean_embedding(np.stack([rows(1, 8, 1)[0], -rows(1, 8, 1)[0]]))
