"""Time to detect against closed forms, and the choice of a threshold against the law it assumes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engines.evidence import frames_to_reach
from tests.training.evaluation.made_up_calls import FPS, WINDOW_FRAMES, made_up_engine, made_up_streams
from training.errors import DataError
from training.evaluation.alerts import AlertRule
from training.evaluation.streams import live_scores, log_likelihood_ratio
from training.evaluation.swaps import SwapStudy, study_swaps, threshold_for, time_to_detect

THRESHOLDS = np.arange(-5.95, -0.01, 0.05)


def poisson_study(rate_at_zero: float, scale: float, hours: float, drivers: int = 4) -> SwapStudy:
    """Alarms fall exponentially with depth: rate(t) = rate_at_zero exp(t / scale); swaps take -10 t seconds."""
    alarms = rate_at_zero * np.exp(THRESHOLDS / scale) * hours / drivers
    rows = np.tile(alarms, (drivers, 1))
    before, after = (side.ravel() for side in np.indices((drivers, drivers)))
    apart = before != after
    seconds = np.tile(-10 * THRESHOLDS, (int(apart.sum()), 1))
    return SwapStudy(
        THRESHOLDS, np.arange(drivers), np.full(drivers, hours / drivers), rows, scale * rows,
        before[apart], after[apart], seconds,
    )  # fmt: skip


@pytest.mark.parametrize("hours", [0.05, 0.3, 2.0, 40.0])
def test_the_threshold_for_a_rate_is_the_laws_own(hours: float) -> None:
    """rate(t) = 60 exp(t) is 1 at t = -ln 60: interpolated where seen, carried on where the material is too short."""
    found = threshold_for(poisson_study(60.0, 1.0, hours), 1.0)
    assert found.nats == pytest.approx(-math.log(60), abs=0.02)
    assert found.found == ("measured" if hours >= 1 else "extrapolated")


def test_rates_that_no_threshold_keeps_and_calls_without_alarms() -> None:
    assert threshold_for(poisson_study(60.0, 10.0, 0.2), 1.0).nats is None
    assert threshold_for(poisson_study(60.0, 10.0, 20.0), 1.0).nats is None
    assert time_to_detect(poisson_study(60.0, 10.0, 0.2), 1.0) is None
    quiet = time_to_detect(poisson_study(0.0, 1.0, 0.5), 1.0)
    assert quiet is not None
    assert quiet.found == "unbounded"
    assert quiet.per_hour_high == pytest.approx(-math.log(0.025) / 0.5)
    assert "0 false alarms in 0.50 h" in quiet.confidence


def test_time_is_read_at_the_threshold_and_its_confidence_is_said() -> None:
    found = time_to_detect(poisson_study(60.0, 1.0, 0.2), 1.0, rounds=50)
    assert found is not None
    assert found.median_seconds.value == pytest.approx(10 * math.log(60), abs=0.6)
    assert found.median_seconds.low <= found.median_seconds.value <= found.median_seconds.high
    assert found.per_hour_low <= 1 <= found.per_hour_high
    assert "carried on" in found.confidence
    given = time_to_detect(poisson_study(60.0, 1.0, 0.2), None, -3.0, rounds=20)
    assert given is not None
    assert given.median_seconds.value == pytest.approx(30)
    assert "carried on" not in given.confidence


def test_an_alert_that_is_on_already_detects_nothing() -> None:
    study = poisson_study(60.0, 1.0, 2.0)
    study.seconds[:3] = np.nan
    study.seconds[3:5] = np.inf
    found = time_to_detect(study, 1.0, rounds=20)
    assert found is not None
    assert (found.swaps, found.undecided) == (9, 3)
    assert math.isinf(found.p90_seconds)
    assert found.within_30_seconds == 0


def test_noiseless_swaps_take_the_time_of_the_formula() -> None:
    """Constant scores: after the windows that hold both drivers, evidence falls as `frames_to_reach` says."""
    rule, engine = AlertRule(), made_up_engine(0.0)
    streams = made_up_streams(drivers=2, targets=1, frames=6 * WINDOW_FRAMES, spread=0.0)
    study = study_swaps(engine, streams, rule)
    assert study.alarms.sum() == 0
    assert study.hours.sum() == pytest.approx(2 * (5 * WINDOW_FRAMES + 1) / FPS / 3600)
    calibration = engine.spec.calibration
    stranger = streams[1].embeddings[-1:]
    llr = float(log_likelihood_ratio(live_scores(streams[0].template, stranger, calibration.cohort), calibration)[0])
    assert llr < -rule.limit  # so that windows count as -limit, whatever they say exactly
    place = int(np.argmin(np.abs(study.thresholds - rule.enter)))
    frames = frames_to_reach(
        rule.enter, llr, start=rule.limit, fps=FPS, window_frames=WINDOW_FRAMES,
        half_life_seconds=rule.half_life_seconds, limit=rule.limit,
    )  # fmt: skip
    assert frames is not None
    seconds = study.seconds[:, place] * FPS
    assert (seconds >= frames).all()
    assert (seconds <= frames + WINDOW_FRAMES).all()


def test_every_pair_of_one_target_is_swapped_and_strong_drivers_are_found() -> None:
    engine = made_up_engine(0.5)
    study = study_swaps(engine, made_up_streams(drivers=3, targets=2, frames=8 * WINDOW_FRAMES, spread=0.5))
    assert len(study.before) == 2 * 3 * 2
    assert (study.before != study.after).all()
    found = time_to_detect(study, 1.0, rounds=20)
    assert found is not None
    assert math.isfinite(found.median_seconds.value)
    # A lower threshold is never crossed earlier.
    assert (np.diff(study.seconds, axis=1) <= 0).all()


def test_too_little_is_refused() -> None:
    engine = made_up_engine(0.0)
    with pytest.raises(DataError, match="nobody can take over"):
        study_swaps(engine, made_up_streams(drivers=1, targets=2, frames=20, spread=0.0))
    with pytest.raises(DataError, match="holds no window"):
        study_swaps(engine, made_up_streams(drivers=2, targets=1, frames=5, spread=0.0))
