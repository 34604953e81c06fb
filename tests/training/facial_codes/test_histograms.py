"""Bags of tokens: shares, pairs, weights, and comparisons against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from training.facial_codes.histograms import (
    bigram_histogram,
    chi_square_scores,
    cosine_scores,
    hellinger_scores,
    inverse_document_frequency,
    staged_histogram,
    telling_weights,
    token_histogram,
    unit_rows,
)

TOKENS = np.array([[0, 1], [2, 1], [0, 0]])


def test_shares_of_all_stages_and_of_each() -> None:
    np.testing.assert_allclose(token_histogram(TOKENS, 3), [3 / 6, 2 / 6, 1 / 6])
    staged = staged_histogram(TOKENS, 3)
    np.testing.assert_allclose(staged, [2 / 3, 0, 1 / 3, 1 / 3, 2 / 3, 0, 3 / 6, 2 / 6, 1 / 6])
    assert token_histogram(np.empty((0, 2), int), 3).sum() == 0


def test_pairs_follow_within_a_stretch_and_a_stage_only() -> None:
    pairs = bigram_histogram([TOKENS, np.array([[1, 2]])], 3).reshape(3, 3)
    wanted = np.zeros((3, 3))
    for first, following in ((0, 2), (2, 0), (1, 1), (1, 0)):
        wanted[first, following] += 1 / 4
    np.testing.assert_allclose(pairs, wanted)


def test_comparisons_are_largest_for_the_same_shares() -> None:
    random = np.random.default_rng(0)
    rows = random.dirichlet(np.ones(6), 4)
    for compare in (cosine_scores, chi_square_scores, hellinger_scores):
        scores = compare(rows, rows)
        assert (scores.argmax(axis=1) == np.arange(4)).all()
        np.testing.assert_allclose(scores, scores.T)
    np.testing.assert_allclose(np.diag(chi_square_scores(rows, rows)), 0)
    assert chi_square_scores(np.array([[1.0, 0]]), np.array([[0, 1.0]]))[0, 0] == -1
    assert hellinger_scores(rows, rows)[0, 1] == pytest.approx(np.sqrt(rows[0] * rows[1]).sum())


def test_rare_tokens_weigh_more() -> None:
    rows = np.array([[0.5, 0.5, 0], [1, 0, 0], [0.9, 0.1, 0]])
    weights = inverse_document_frequency(rows)
    assert weights[0] < weights[1] < weights[2]
    np.testing.assert_allclose(weights, np.log(np.array([1, 4 / 3, 4])) + 1)


def test_a_token_that_tells_people_apart_weighs_most() -> None:
    random = np.random.default_rng(0)
    person = np.repeat(np.arange(6), 20)
    told = np.where(person % 2 == 0, 0.3, 0.1) + random.normal(0, 0.01, 120)
    noise = random.uniform(0.1, 0.3, 120)
    weights = telling_weights(np.stack([told, noise, 1 - told - noise], axis=1), person)
    assert weights.argmax() == 0
    assert weights.mean() == pytest.approx(1)
    assert (weights > 0).all()


def test_rows_without_anything_stay_zero() -> None:
    rows = unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]]))
    np.testing.assert_allclose(rows, np.array([[0.6, 0.8], [0.0, 0.0]]))
