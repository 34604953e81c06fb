"""Arrival against media time, and too few frames, on made-up times."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.liveness.arrivals import ArrivalWatch

FLOOR = 12.0


def fed(rate: float, claimed_rate: float, seconds: float, watch: ArrivalWatch | None = None) -> ArrivalWatch:
    watch = watch or ArrivalWatch(FLOOR)
    for n in range(1, round(seconds * rate) + 1):
        watch.received(n / rate, n / claimed_rate)
        watch.face(n / rate)
    return watch


@pytest.mark.parametrize("rate", [12.0, 15.0, 25.0, 30.0, 60.0])
def test_an_honest_stream_is_neither_starved_nor_misdated(rate: float) -> None:
    watch = fed(rate, rate, 10)
    assert not watch.starved(10)
    assert not watch.misdated(10)


@pytest.mark.parametrize(("rate", "claimed"), [(15, 30), (10, 30), (30, 15), (30, 20)])
def test_time_that_runs_at_another_speed_is_misdated(rate: float, claimed: float) -> None:
    assert fed(rate, claimed, 3.5).misdated(3.5)


def test_a_clock_that_drifts_as_clocks_do_is_not() -> None:
    assert not fed(30, 30.03, 60).misdated(60)


def test_what_the_network_held_up_is_not_misdated() -> None:
    watch = fed(30, 30, 5)
    for n in range(1, 40):  # silent for 1.2 s, then all at once
        watch.received(max(5 + n / 30, 6.2), 5 + n / 30)
    assert not watch.misdated(6.3)


def test_a_stop_and_its_end() -> None:
    watch = fed(30, 30, 5)
    assert not watch.starved(6.4)
    assert watch.starved(6.6)
    watch.restart()
    watch.received(60, 5.1)
    assert not watch.starved(60)
    assert watch.starved(62.1)


@given(st.lists(st.tuples(st.floats(0, 0.5), st.floats()), min_size=1, max_size=60))
def test_no_time_stamp_raises(frames: list[tuple[float, float]]) -> None:
    watch, now = ArrivalWatch(FLOOR), 0.0
    for step, pts in frames:
        now += step
        watch.received(now, pts)
        watch.face(now)
    assert watch.starved(now + 3)
    assert watch.misdated(now) in (True, False)


@given(st.lists(st.floats(0.0, 3.0), min_size=14, max_size=80))
def test_starved_means_fewer_frames_than_the_share_of_the_floor(steps: list[float]) -> None:
    watch, now, arrivals = ArrivalWatch(FLOOR), 0.0, []
    for step in steps:
        now += step
        arrivals.append(now)
        watch.received(now, now)
        watch.face(now)
    in_time = sum(now - arrival <= 2.0 for arrival in arrivals)
    assert watch.starved(now) == (in_time < 14)
    assert math.isfinite(now)
