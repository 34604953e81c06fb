"""Pace by media time: what is taken, what follows what, and what no time stamp can break."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.pacer import MAX_STEP_INTERVALS, Pace, Pacer, divisor


def run(times: list[float], pacer: Pacer | None = None) -> list[tuple[float, Pace]]:
    """Every time stamp with what was decided on it."""
    pacer = pacer or Pacer()
    return [(at, pacer.step(at)) for at in times]


def taken(paced: list[tuple[float, Pace]]) -> list[float]:
    return [at for at, pace in paced if pace is not Pace.SKIP]


@pytest.mark.parametrize(
    ("fps", "expected"),
    [
        (12, 12),
        (15, 15),
        (20, 20),
        (25, 25),
        (29.97, 29.97),
        (30, 30),
        (34, 34),
        (40, 40),
        (50, 25),
        (60, 30),
        (90, 30),
    ],
)
def test_steady_rates(fps: float, expected: float) -> None:
    pacer = Pacer()
    kept = taken(run([n / fps for n in range(round(10 * fps))], pacer))
    assert len(kept) / 10 == pytest.approx(expected, rel=0.03)
    assert pacer.fps == pytest.approx(fps, rel=0.01)
    assert not pacer.too_slow


@settings(deadline=None)
@given(
    fps=st.floats(12, 120),
    jitter=st.lists(st.floats(-0.2, 0.2), min_size=20, max_size=20),
    start=st.floats(0, 1e5),
)
def test_output_rate_and_steps_stay_within_bounds(fps: float, jitter: list[float], start: float) -> None:
    times = [start + (n + jitter[n % 20]) / fps for n in range(round(4 * fps))]
    paced = run(times)
    kept = [at for at in taken(paced) if at >= start + 1]
    rate = (len(kept) - 1) / (kept[-1] - kept[0])
    assert min(fps, 20) * 0.85 <= rate <= 47 * 1.1
    # Jitter of a fifth of an interval breaks nothing once the rate is known, where it cannot be taken for a rate that
    # is thinned otherwise: each interval is 0.6 to 1.4 of the true one.
    if divisor(fps / 0.6) == 1:
        assert all(pace is not Pace.BREAK for at, pace in paced if at >= start + 1)


@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=60))
def test_any_time_stamp_is_survived(times: list[float]) -> None:
    pacer = Pacer()
    for at, pace in run(times, pacer):
        assert math.isfinite(at) or pace is Pace.SKIP
        assert math.isfinite(pacer.fps)
        assert pacer.fps >= 0


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([1 / 60, 1 / 30, 1 / 25, 0.1, 0.5, 5.0, -0.04, -3.0, 0.0]), st.integers(1, 12)),
        min_size=1,
        max_size=25,
    )
)
def test_no_continued_pair_is_far_apart_or_backwards(runs: list[tuple[float, int]]) -> None:
    pacer = Pacer()
    at, before = 0.0, None
    for step, count in runs:
        for _ in range(count):
            at += step
            pace = pacer.step(at)
            if pace is Pace.CONTINUE:
                assert before is not None
                assert 0 < at - before <= MAX_STEP_INTERVALS * pacer.nominal_seconds
            if pace is not Pace.SKIP:
                before = at


@settings(deadline=None)
@given(st.floats(-1e6, 1e6))
def test_the_first_frame_follows_nothing(at: float) -> None:
    assert Pacer().step(at) is Pace.BREAK


def settled(fps: float = 30) -> tuple[Pacer, float]:
    """A pacer in the middle of a steady stream, and the time of its last frame."""
    pacer = Pacer()
    run([n / fps for n in range(61)], pacer)
    return pacer, 60 / fps


def test_one_lost_frame_is_bridged_two_are_not() -> None:
    pacer, at = settled()
    assert pacer.step(at + 2 / 30) is Pace.CONTINUE
    assert pacer.step(at + 5 / 30) is Pace.BREAK
    assert pacer.step(at + 6 / 30) is Pace.CONTINUE


def test_a_decoder_gap_breaks_even_when_its_frame_is_left_out() -> None:
    pacer, at = settled(60)
    assert pacer.step(at + 1 / 60, after_gap=True) is Pace.SKIP
    assert pacer.step(at + 2 / 60) is Pace.BREAK
    assert pacer.step(at + 4 / 60) is Pace.CONTINUE


def test_time_that_runs_backwards_breaks_and_counts_on() -> None:
    pacer, at = settled()
    assert pacer.step(at - 1) is Pace.BREAK
    assert pacer.step(at - 1 + 1 / 30) is Pace.CONTINUE


@pytest.mark.parametrize("at", [math.nan, math.inf, -math.inf])
def test_time_that_is_no_number_is_left_out_and_breaks(at: float) -> None:
    pacer, last = settled()
    assert pacer.step(at) is Pace.SKIP
    assert pacer.step(last + 1 / 30) is Pace.BREAK


def test_time_that_stands_still_is_left_out_and_breaks() -> None:
    pacer, last = settled()
    assert pacer.step(last) is Pace.SKIP
    assert pacer.step(last + 1 / 30) is Pace.BREAK


def test_slow_streams_are_known_within_two_seconds() -> None:
    pacer, at = settled()
    assert not pacer.too_slow
    run([at + n / 8 for n in range(1, 17)], pacer)
    assert pacer.too_slow
    assert pacer.fps == pytest.approx(8)
    run([at + 2 + n / 30 for n in range(1, 61)], pacer)
    assert not pacer.too_slow


def test_a_freeze_does_not_make_a_stream_slow() -> None:
    pacer, at = settled()
    assert pacer.step(at + 4) is Pace.BREAK
    assert not pacer.too_slow
    assert pacer.step(at + 4 + 1 / 30) is Pace.CONTINUE


def test_a_change_of_rate_breaks_once() -> None:
    pacer, at = settled(30)
    paced = run([at + n / 15 for n in range(1, 60)], pacer)
    assert [pace for _, pace in paced].count(Pace.BREAK) == 1
