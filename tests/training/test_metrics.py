"""Error measures against closed forms, and the bootstrap against what it claims to resample."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from training.errors import DataError
from training.metrics import (
    Trials,
    area_under_roc,
    curve_band,
    equal_error_rate,
    false_match_resolution,
    false_non_match_at,
    log_likelihood_ratio_cost,
    mean_target_area,
    over_drivers,
    pooled_area,
    pooled_equal_error,
    pooled_miss_at_1_percent,
)


def crossed_trials(drivers: int, separation: float, seed: int = 0, repeats: int = 4) -> Trials:
    """Every driver against every driver on one target, genuine scores `separation` deviations higher."""
    random = np.random.default_rng(seed)
    template, probe = (side.ravel() for side in np.meshgrid(np.arange(drivers), np.arange(drivers)))
    template, probe = np.tile(template, repeats), np.tile(probe, repeats)
    scores = random.standard_normal(len(template)) + separation * (template == probe)
    return Trials(scores, template, probe, np.zeros(len(template), np.int64))


def test_normal_scores_follow_the_closed_forms() -> None:
    random = np.random.default_rng(1)
    genuine = np.repeat([True, False], 40_000)
    scores = random.standard_normal(80_000) + 1.5 * genuine
    assert area_under_roc(scores, genuine) == pytest.approx(0.5 * (1 + math.erf(1.5 / 2)), abs=0.005)
    assert equal_error_rate(scores, genuine) == pytest.approx(0.5 * (1 - math.erf(0.75 / math.sqrt(2))), abs=0.005)


def test_perfect_reversed_and_constant_scores() -> None:
    genuine = np.array([True, True, False, False, False])
    scores = np.array([5.0, 4, 3, 2, 1])
    assert area_under_roc(scores, genuine) == 1.0
    assert area_under_roc(-scores, genuine) == 0.0
    assert equal_error_rate(scores, genuine) == 0.0
    assert area_under_roc(np.zeros(5), genuine) == 0.5
    assert equal_error_rate(np.zeros(5), genuine) == 0.5


@settings(max_examples=40, deadline=None)
@given(
    genuine=st.lists(st.integers(-5, 5), min_size=1, max_size=12),
    impostor=st.lists(st.integers(-5, 5), min_size=1, max_size=12),
)
def test_area_is_the_share_of_pairs_ranked_right(genuine: list[int], impostor: list[int]) -> None:
    scores = np.array(genuine + impostor, float)
    labels = np.repeat([True, False], [len(genuine), len(impostor)])
    wins = [(g > i) + 0.5 * (g == i) for g in genuine for i in impostor]
    assert area_under_roc(scores, labels) == pytest.approx(float(np.mean(wins)))


def test_weights_count_trials_as_if_repeated() -> None:
    trials = crossed_trials(6, 1.0, repeats=1)
    weights = np.random.default_rng(2).integers(0, 4, len(trials.scores)).astype(float)
    again = np.repeat(np.arange(len(weights)), weights.astype(int))
    assert area_under_roc(trials.scores, trials.genuine, weights) == pytest.approx(
        area_under_roc(trials.scores[again], trials.genuine[again])
    )
    assert equal_error_rate(trials.scores, trials.genuine, weights) == pytest.approx(
        equal_error_rate(trials.scores[again], trials.genuine[again])
    )


def test_one_kind_alone_is_refused() -> None:
    with pytest.raises(DataError, match="genuine and impostor"):
        area_under_roc(np.ones(3), np.ones(3, bool))
    with pytest.raises(DataError, match="genuine and impostor"):
        log_likelihood_ratio_cost(np.ones(3), np.zeros(3, bool))


def test_mean_target_area_weighs_targets_alike_and_skips_incomplete_ones() -> None:
    good = crossed_trials(4, 50.0)
    chance = crossed_trials(4, 0.0)
    chance_zero = Trials(np.zeros(len(chance.scores)), chance.template_driver, chance.probe_driver, chance.target + 1)
    lonely = Trials(np.ones(1), np.array([9]), np.array([9]), np.array([2]))
    both = good.joined(chance_zero).joined(lonely)
    assert mean_target_area(both) == pytest.approx(0.75)
    with pytest.raises(DataError, match="no target"):
        mean_target_area(lonely)


def test_bootstrap_resamples_drivers_not_trials() -> None:
    """One driver of eight fails entirely: intervals over trials would be narrow, those over drivers are not."""
    trials = crossed_trials(8, 6.0, repeats=100)
    failing = trials.genuine & (trials.template_driver == 0)
    scores: NDArray[np.float64] = np.where(failing, trials.scores - 12, trials.scores)
    hard = Trials(scores, trials.template_driver, trials.probe_driver, trials.target)
    estimate = over_drivers(hard, pooled_equal_error, rounds=200)
    assert estimate.low < estimate.value < estimate.high
    assert estimate.high - estimate.low > 0.05
    once_drawn = over_drivers(hard, pooled_area, rounds=50, seed=3)
    assert once_drawn == over_drivers(hard, pooled_area, rounds=50, seed=3)


def test_interval_narrows_with_drivers() -> None:
    few = over_drivers(crossed_trials(6, 1.0), pooled_area, rounds=200)
    many = over_drivers(crossed_trials(60, 1.0), pooled_area, rounds=200)
    assert many.high - many.low < few.high - few.low


def test_cllr_of_nothing_known_is_one_bit_and_of_certainty_zero() -> None:
    genuine = np.array([True, False, True, False])
    assert log_likelihood_ratio_cost(np.zeros(4), genuine) == pytest.approx(1.0)
    assert log_likelihood_ratio_cost(np.where(genuine, 40.0, -40.0), genuine) == pytest.approx(0.0, abs=1e-9)
    assert log_likelihood_ratio_cost(np.where(genuine, -9.0, 9.0), genuine) > 5


def test_misses_at_a_false_match_rate_follow_the_closed_form() -> None:
    """Normal scores d apart: FNMR = Phi(z(1 - FMR) - d)."""
    random = np.random.default_rng(4)
    genuine = np.repeat([True, False], 200_000)
    scores = random.standard_normal(400_000) + 2.5 * genuine
    for rate, threshold in ((0.01, 2.3263), (0.001, 3.0902)):
        expected = 0.5 * math.erfc((2.5 - threshold) / math.sqrt(2))
        assert false_non_match_at(rate, scores, genuine) == pytest.approx(expected, abs=0.01)


def test_a_rate_below_one_trial_is_the_rate_at_no_false_match() -> None:
    genuine = np.array([True] * 4 + [False] * 50)
    scores = np.concatenate([[5.0, 4, 3, 2], [3.5], np.zeros(49)])
    assert false_non_match_at(0.001, scores, genuine) == 0.5
    assert false_non_match_at(0.02, scores, genuine) == 0.0  # exactly one of fifty
    assert false_non_match_at(0.0199, scores, genuine) == 0.5


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=2, max_size=30), st.floats(0, 1), st.floats(0, 1)
)
def test_accepting_more_strangers_never_costs_misses(trials: list[tuple[int, bool]], one: float, other: float) -> None:
    scores, genuine = np.array([score for score, _ in trials], float), np.array([kind for _, kind in trials])
    if genuine.all() or not genuine.any():
        return
    low, high = sorted((one, other))
    assert false_non_match_at(high, scores, genuine) <= false_non_match_at(low, scores, genuine)


def test_resolution_counts_trials_and_pairs_and_says_what_they_tell() -> None:
    found = false_match_resolution(crossed_trials(6, 1.0, repeats=50))
    assert (found.trials, found.pairs) == (1500, 30)
    assert [found.verdict(rate) for rate in (0.1, 0.01, 0.0001)] == ["resolved", "coarse", "not resolved"]
    assert found.lowest_rate == 0.002


def test_the_band_of_a_curve_holds_it_and_is_as_wide_as_the_intervals_of_its_points() -> None:
    trials = crossed_trials(12, 1.5)
    rates = np.array([0.01, 0.1, 0.5, 1.0])
    band = curve_band(trials, rates, rounds=200)
    assert (band.low <= band.high).all()
    assert (np.diff(band.high) <= 0).all()
    assert band.high[-1] == 0.0  # accepting everybody misses nobody
    point = over_drivers(trials, pooled_miss_at_1_percent, rounds=200)
    assert band.low[0] == pytest.approx(point.low, abs=0.1)
    assert band.high[0] == pytest.approx(point.high, abs=0.1)


def test_targets_count_as_often_as_their_drivers_are_drawn() -> None:
    """One target with AUC 1, one with AUC 0: weighing the first three times gives 3/4."""
    template = np.array([0, 0, 1, 1])
    probe = np.array([0, 2, 1, 2])
    trials = Trials(np.array([1.0, 0, 0, 1]), template, probe, np.array([0, 0, 1, 1]))
    assert mean_target_area(trials) == 0.5
    assert mean_target_area(trials, np.array([3.0, 3, 1, 1])) == pytest.approx(0.75)


def test_a_cost_counts_trials_by_their_weights() -> None:
    llr, genuine = np.array([1.0, -2.0, 0.5, -0.5]), np.array([True, False, False, True])
    assert log_likelihood_ratio_cost(llr, genuine, np.ones(4)) == pytest.approx(log_likelihood_ratio_cost(llr, genuine))
    twice = log_likelihood_ratio_cost(llr, genuine, np.array([2.0, 1.0, 1.0, 1.0]))
    assert twice == pytest.approx(log_likelihood_ratio_cost(llr[[0, 0, 1, 2, 3]], genuine[[0, 0, 1, 2, 3]]))
    with pytest.raises(DataError, match="one kind is missing"):
        log_likelihood_ratio_cost(llr, genuine, np.array([1.0, 0.0, 0.0, 1.0]))
