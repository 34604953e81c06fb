"""The ratio on shapes whose drift is known, and its correlation."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from training.errors import DataError
from training.expression_dynamics.drift_to_noise import correlation, drift_to_noise


def wobbling(centre: tuple[float, float]) -> NDArray[np.float64]:
    """Rows whose total variance is 4 + 12."""
    return np.array([(2, 12**0.5), (-2, -(12**0.5)), (2, -(12**0.5)), (-2, 12**0.5)]) + np.array(centre, np.float64)


def test_drift_is_the_mean_distance_of_recordings_in_units_of_their_own_deviation() -> None:
    recordings = [wobbling((0, 0)), wobbling((3, 4)), wobbling((6, 8))]
    assert drift_to_noise(recordings) == pytest.approx((5 + 5 + 10) / 3 / 4)
    assert drift_to_noise(recordings, from_last=True) == pytest.approx((10 + 5) / 2 / 4)


def test_a_shape_that_never_varies_and_a_single_recording_are_refused() -> None:
    with pytest.raises(DataError, match="never varies"):
        drift_to_noise([np.ones((4, 2)), np.zeros((4, 2))])
    with pytest.raises(DataError, match="two recordings"):
        drift_to_noise([np.ones((4, 2))])


def test_a_falling_line_correlates_by_minus_one_and_is_no_chance() -> None:
    found = correlation(np.arange(12.0), -(np.arange(12.0) ** 3))
    assert found.rho == pytest.approx(-1)
    assert found.p < 1e-6
    assert found.p_permuted < 0.001


def test_unrelated_values_are_not_significant_either_way() -> None:
    random = np.random.default_rng(3)
    found = correlation(random.normal(size=40), random.normal(size=40))
    assert found.p_permuted == pytest.approx(found.p, abs=0.03)
    assert found.p > 0.05


def test_values_that_never_differ_have_no_correlation() -> None:
    with pytest.raises(DataError, match="values that differ"):
        correlation(np.arange(5.0), np.ones(5))
