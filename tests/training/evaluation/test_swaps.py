"""Time to detect against closed forms, and the choice of a threshold against the law it assumes."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from engines.evidence import frames_to_reach
from tests.training.evaluation.made_up_calls import FPS, WINDOW_FRAMES, made_up_engine, made_up_streams
from training.errors import DataError
from training.evaluation.alerts import AlertRule
from training.evaluation.streams import live_scores, log_likelihood_ratio
from training.evaluation.swaps import SwapStudy, genuine_calls, strangers_of, study_swaps, threshold_for, time_to_detect

THRESHOLDS = np.arange(-5.95, -0.01, 0.05)


def lawful_study(rate_at_zero: float, scale: float, hours: float, drivers: int = 4) -> SwapStudy:
    """Alarms fall exponentially with depth: rate(t) = rate_at_zero exp(t / scale); swaps take -10 t seconds."""
    rate = rate_at_zero * np.exp(THRESHOLDS / scale)
    before, after = (side.ravel() for side in np.indices((drivers, drivers)))
    apart = before != after
    return SwapStudy(
        thresholds=THRESHOLDS,
        driver=np.arange(drivers),
        hours=np.full(drivers, hours / drivers),
        alarms=np.tile(rate * hours / drivers, (drivers, 1)),
        recorded_hours=0.25,
        recorded_alarms=np.zeros(len(THRESHOLDS)),
        before=before[apart],
        after=after[apart],
        seconds=np.tile(-10 * THRESHOLDS, (int(apart.sum()), 1)),
    )


@pytest.mark.parametrize("hours", [2.0, 40.0])
def test_the_threshold_for_a_rate_is_the_laws_own(hours: float) -> None:
    """rate(t) = 60 exp(t) is 1 at t = -ln 60, between two thresholds of the grid."""
    assert threshold_for(lawful_study(60.0, 1.0, hours), 1.0) == pytest.approx(-math.log(60), abs=1e-6)


def test_drivers_with_many_alarms_lower_the_threshold_when_drawn_often() -> None:
    study = lawful_study(60.0, 1.0, 40.0)
    study.alarms[0] *= 10
    assert threshold_for(study, 6.0, np.array([4.0, 0, 0, 0])) == pytest.approx(-math.log(100), abs=1e-6)
    assert threshold_for(study, 6.0, np.array([0.0, 1, 1, 2])) == pytest.approx(-math.log(10), abs=1e-6)


def test_rates_that_no_threshold_keeps_and_calls_without_alarms() -> None:
    assert threshold_for(lawful_study(60.0, 10.0, 20.0), 1.0) is None
    assert time_to_detect(lawful_study(60.0, 10.0, 20.0), 1.0) is None
    quiet = time_to_detect(lawful_study(0.0, 1.0, 5.0), 1.0, rounds=20)
    assert quiet is not None
    assert quiet.threshold == THRESHOLDS[-1]
    assert (quiet.recorded_low, quiet.recorded_alarms) == (0.0, 0)
    assert quiet.recorded_high == pytest.approx(-math.log(0.025) / 0.25)


def test_time_is_read_at_the_threshold_and_its_confidence_is_said() -> None:
    found = time_to_detect(lawful_study(60.0, 1.0, 4.0), 1.0, rounds=50)
    assert found is not None
    assert found.median_seconds.value == pytest.approx(10 * math.log(60), abs=0.6)
    assert found.median_seconds.low <= found.median_seconds.value <= found.median_seconds.high
    assert found.per_hour == pytest.approx(1.0, rel=0.06)
    assert "takes 3 h of video at least" in found.confidence
    given = time_to_detect(lawful_study(60.0, 1.0, 4.0), None, -3.0, rounds=20)
    assert given is not None
    assert given.median_seconds.value == pytest.approx(30)
    assert "at least" not in given.confidence


def test_an_alert_that_is_on_already_detects_nothing() -> None:
    study = lawful_study(60.0, 1.0, 2.0)
    study.seconds[:3] = np.nan
    study.seconds[3:5] = np.inf
    found = time_to_detect(study, 1.0, rounds=20)
    assert found is not None
    assert (found.swaps, found.undecided) == (9, 3)
    assert math.isinf(found.p90_seconds)
    assert found.within_30_seconds.value == 0
    assert found.within_horizon.value == pytest.approx(7 / 9)
    assert found.within_horizon.low <= 7 / 9 <= found.within_horizon.high


def test_genuine_calls_are_stretches_of_the_recording_in_random_order() -> None:
    calls = list(genuine_calls(70, 2.0, seed=1))
    assert len(calls) == 6
    assert {len(call) for call in calls} == {1200}
    for call in calls:
        stretches = call.reshape(-1, 20)
        assert ((np.diff(stretches, axis=1) % 70) == 1).all()
        assert len(set(stretches[:, 0].tolist())) > 10
    assert np.bincount(np.concatenate(calls), minlength=70).min() > 0


def test_noiseless_swaps_take_the_time_of_the_formula() -> None:
    """Constant scores: after the windows that hold both drivers, evidence falls as `frames_to_reach` says."""
    rule, engine = AlertRule(), made_up_engine(0.0)
    streams = made_up_streams(drivers=2, targets=1, frames=6 * WINDOW_FRAMES, spread=0.0)
    study = study_swaps(engine, streams, rule)
    assert study.alarms.sum() == study.recorded_alarms.sum() == 0
    assert study.recorded_hours == pytest.approx(2 * (5 * WINDOW_FRAMES + 1) / FPS / 3600)
    assert study.hours.tolist() == [1.0, 1.0]
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


def test_frames_after_a_swap_come_at_the_strangers_rate() -> None:
    """Twice as many frames a second: windows pass in half the time, and evidence falls as fast in frames or faster."""
    engine = made_up_engine(0.0)
    slow, fast = made_up_streams(drivers=2, targets=1, frames=6 * WINDOW_FRAMES, spread=0.0)
    study = study_swaps(engine, [slow, replace(fast, fps=2 * FPS)])
    place = study.place(-3.0)
    by_fast, by_slow = (float(study.seconds[study.after == stream.driver, place][0]) for stream in (fast, slow))
    assert by_fast < 0.6 * by_slow


def test_few_of_many_strangers_take_over_and_all_take_part() -> None:
    streams = made_up_streams(drivers=20, targets=1, frames=10, spread=0.0)
    chosen = [strangers_of(stream, streams) for stream in streams]
    assert {len(some) for some in chosen} == {8}
    for stream, some in zip(streams, chosen, strict=True):
        assert stream.driver not in {other.driver for other in some}
        assert len({other.driver for other in some}) == 8
    assert len({other.driver for some in chosen for other in some}) == 20
    assert [other.driver for other in strangers_of(streams[1], streams[:3])] == [2, 0]


def test_somebody_who_is_always_taken_for_a_stranger_raises_an_alarm_in_every_call() -> None:
    engine = made_up_engine(0.0)
    right, wrong = made_up_streams(drivers=2, targets=1, frames=6 * WINDOW_FRAMES, spread=0.0)
    study = study_swaps(engine, [right, replace(wrong, template=right.template)])
    place = study.place(-3.0)
    assert study.alarms[:, place].tolist() == [0.0, 6.0]
    assert study.recorded_alarms[place] == 1.0
    assert np.isnan(study.seconds[study.before == wrong.driver, place]).all()


def test_too_little_is_refused() -> None:
    engine = made_up_engine(0.0)
    with pytest.raises(DataError, match="nobody can take over"):
        study_swaps(engine, made_up_streams(drivers=1, targets=2, frames=20, spread=0.0))
    with pytest.raises(DataError, match="holds no window"):
        study_swaps(engine, made_up_streams(drivers=2, targets=1, frames=5, spread=0.0))
