"""Numbers in closed form on series whose numbers are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import logm

from training.expression_dynamics.closed_form import deviations, level, log_covariance
from training.expression_dynamics.systems import Features
from training.expression_dynamics.windows import without_level

RANDOM = np.random.default_rng(0)
WINDOWS = (RANDOM.normal(size=(3, 80, 4)) * (1, 2, 3, 4) + (5, 6, 7, 8)).astype(np.float32)


def test_deviations_are_logarithms_of_spread_and_speed_and_then_correlations() -> None:
    found = deviations(WINDOWS)
    assert found.shape == (3, 4 + 4 + 6)
    np.testing.assert_allclose(found[:, :4], np.log(WINDOWS.std(axis=1)), atol=1e-5)
    np.testing.assert_allclose(found[:, 4:8], np.log(np.diff(WINDOWS, axis=1).std(axis=1)), atol=1e-5)
    np.testing.assert_allclose(found[0, 8:], np.corrcoef(WINDOWS[0].T)[np.triu_indices(4, 1)], atol=1e-5)


def test_seventeen_signals_have_the_170_numbers_of_the_reference() -> None:
    assert deviations(RANDOM.normal(size=(2, 50, 17))).shape == (2, 170)


def test_a_channel_that_stands_still_gives_numbers_that_are_finite() -> None:
    still = WINDOWS * np.array([1, 1, 1, 0], np.float32)
    assert np.isfinite(deviations(still)).all()
    assert np.isfinite(log_covariance(still)).all()
    assert np.isfinite(log_covariance(still * 0)).all()


def test_log_covariance_is_the_matrix_logarithm() -> None:
    found = log_covariance(WINDOWS, lags=(0,))
    covariance = np.cov(WINDOWS[1].T, bias=True)
    covariance += 1e-3 * np.diag(np.diag(covariance))
    np.testing.assert_allclose(found[1], logm(covariance).real[np.triu_indices(4)], atol=1e-4)


def test_a_lag_lays_channels_beside_themselves() -> None:
    assert log_covariance(WINDOWS, lags=(0, 1)).shape == (3, 8 * 9 // 2)


@pytest.mark.parametrize("features", [deviations, log_covariance])
def test_where_a_face_stands_changes_nothing_of_how_it_moves(features: Features) -> None:
    np.testing.assert_allclose(features(WINDOWS + 100), features(without_level(WINDOWS, "median")), atol=1e-3)


def test_level_is_all_that_the_control_sees() -> None:
    np.testing.assert_allclose(level(WINDOWS), WINDOWS.mean(axis=1), atol=1e-5)
