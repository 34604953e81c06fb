"""Calibration recovers the likelihood ratio of known score distributions, whatever the mix of trials."""

from __future__ import annotations

import numpy as np
import pytest

from training.calibrate import fit_calibration
from training.errors import DataError


@pytest.mark.parametrize("genuine_share", [0.5, 0.05])
def test_recovers_the_known_line(genuine_share: float) -> None:
    """Normal scores with means +-m and deviation s have llr = 2 m x / s^2, whatever the prior."""
    random = np.random.default_rng(0)
    genuine = random.random(60_000) < genuine_share
    scores = random.standard_normal(60_000) * 1.5 + np.where(genuine, 1.2, -1.2) + 3.0
    fitted = fit_calibration(scores, genuine)
    slope = 2 * 1.2 / 1.5**2
    assert fitted.slope == pytest.approx(slope, rel=0.05)
    assert fitted.offset == pytest.approx(-3.0 * slope, rel=0.05)
    assert 0 < fitted.cost_bits < 1
    np.testing.assert_allclose(fitted.llr(np.array([3.0])), 0.0, atol=0.1)


def test_weights_choose_which_trials_matter() -> None:
    random = np.random.default_rng(1)
    genuine = np.tile([True, False], 5000)
    shift = np.repeat([0.0, 4.0], 5000)
    scores = random.standard_normal(10_000) + np.where(genuine, 1.0, -1.0) + shift
    first_only = fit_calibration(scores, genuine, np.where(shift == 0, 1.0, 1e-6))
    assert first_only.offset == pytest.approx(0.0, abs=0.2)


def test_useless_scores_are_refused() -> None:
    genuine = np.tile([True, False], 50)
    with pytest.raises(DataError, match="tells no drivers apart"):
        fit_calibration(np.where(genuine, -1.0, 1.0), genuine)
    with pytest.raises(DataError, match="one kind is missing"):
        fit_calibration(np.zeros(3), np.ones(3, bool))
