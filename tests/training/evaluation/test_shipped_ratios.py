"""Where an engine's log-likelihood ratios lie, in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from engines.protocol import Calibration
from training.errors import DataError
from training.evaluation.shipped_ratios import shipped_ratios
from training.metrics import Trials


def calibration(slope: float, offset: float) -> Calibration:
    return Calibration(slope=slope, offset=offset, cohort=np.zeros((0, 4), np.float32))


def everybody_against_everybody(scores: list[list[float]]) -> Trials:
    """scores[i][j]: driver i's template against driver j's probe."""
    template, probe = np.divmod(np.arange(len(scores) ** 2), len(scores))
    return Trials(np.array(scores).ravel(), template, probe, np.zeros(len(template), np.int64))


def test_scores_are_read_as_the_guard_reads_them() -> None:
    trials = everybody_against_everybody([[3.0, 0.0, 2.0], [0.0, 3.0, 2.0], [0.0, 0.0, 3.0]])
    found = shipped_ratios(trials, calibration(2.0, -3.0), rounds=50)
    assert found.genuine_nats == pytest.approx(3.0)
    assert found.stranger_nats == pytest.approx((4 * -3.0 + 2 * 1.0) / 6)
    assert found.stranger_above_0.value == pytest.approx(2 / 6)
    assert found.stranger_above_0.low <= 2 / 6 <= found.stranger_above_0.high
    costs = np.logaddexp(0, -3.0) + (4 * np.logaddexp(0, -3.0) + 2 * np.logaddexp(0, 1.0)) / 6
    assert found.cost_bits == pytest.approx(costs / 2 / np.log(2))


def test_a_well_ordered_but_misplaced_score_is_found_out() -> None:
    """Areas are 1 either way: only where the ratios lie tells that strangers are spoken for."""
    trials = everybody_against_everybody([[3.0, 1.0, 1.0], [1.0, 3.0, 1.0], [1.0, 1.0, 3.0]])
    good, bad = (shipped_ratios(trials, calibration(1.0, offset), rounds=20) for offset in (-2.0, 0.0))
    assert (good.stranger_above_0.value, bad.stranger_above_0.value) == (0, 1)
    assert good.cost_bits < 1 / 2 < bad.cost_bits


def test_one_kind_of_trial_alone_says_nothing() -> None:
    trials = everybody_against_everybody([[3.0, 1.0], [1.0, 3.0]])
    with pytest.raises(DataError, match="one kind is missing"):
        shipped_ratios(trials.subset(trials.genuine), calibration(1.0, 0.0), rounds=5)
