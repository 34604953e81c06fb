"""A correlation of clustered windows: what p counts are drivers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from training.evaluation.driver_correlation import NONE_SHOWN, driver_correlation

DRIVER = np.repeat(np.arange(6), 5)


def pairs() -> tuple[np.ndarray, np.ndarray]:
    """Each driver has a level of motion and of margin of its own, and its windows hardly differ."""
    random = np.random.default_rng(5)
    levels = np.array([[0, 1, 2, 3, 4, 5], [1, 0, 3, 2, 5, 4]], float)[:, DRIVER]
    motion, margin = levels + 0.01 * random.standard_normal(levels.shape)
    return motion, margin


def test_windows_measured_twice_change_nothing() -> None:
    motion, margin = pairs()
    once = driver_correlation(motion, margin, DRIVER)
    twice = driver_correlation(*(np.repeat(part, 2) for part in (motion, margin, DRIVER)))
    assert twice.p_value == once.p_value
    assert [twice.value.low, twice.value.value, twice.value.high] == pytest.approx(
        [once.value.low, once.value.value, once.value.high]
    )


def test_more_windows_of_the_same_drivers_prove_nothing_more() -> None:
    """Thirty windows taken as independent are beyond doubt; six drivers who agree are 2 of 2^6 sign patterns."""
    motion, margin = pairs()
    found = driver_correlation(motion, margin, DRIVER)
    assert found.value.value == pytest.approx(spearmanr(motion, margin).statistic)
    assert spearmanr(motion, margin).pvalue < 1e-6
    assert found.p_value >= 2 / 2**6 - 0.01
    perfect = driver_correlation(np.arange(6.0), np.arange(6.0), np.arange(6))
    assert perfect.value.value == 1
    assert perfect.p_value == pytest.approx(2 / 2**6, abs=0.01)


def test_a_relation_that_many_drivers_show_is_found_and_its_interval_says_how_far() -> None:
    random = np.random.default_rng(0)
    driver = np.repeat(np.arange(30), 4)
    motion = random.standard_normal(len(driver))
    found = driver_correlation(motion, -motion + random.standard_normal(len(driver)), driver)
    assert found.p_value < 0.001
    assert found.value.low < found.value.value < found.value.high < 0
    unrelated = driver_correlation(motion, random.standard_normal(len(driver)), driver)
    assert unrelated.p_value > 0.05
    assert unrelated.value.low < 0 < unrelated.value.high


def test_two_drivers_and_what_never_changes_show_nothing() -> None:
    values = np.arange(6.0)
    assert driver_correlation(values, values, np.repeat([0, 1], 3)) == NONE_SHOWN
    assert driver_correlation(values, np.ones(6), np.arange(6)) == NONE_SHOWN
