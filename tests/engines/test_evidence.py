"""Evidence against closed forms."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.evidence import Evidence, frames_to_reach, settled_evidence
from guard.config import VerifyConfig

LLRS = st.floats(-20, 20)
SHARES = st.floats(0, 1)
SECONDS = st.floats(0, 100)


def run(evidence: Evidence, llr: float, frames: int, *, fps: float, window_frames: int) -> None:
    for _ in range(frames):
        evidence.fade(1 / fps)
        evidence.add(llr, 1 / window_frames)


@pytest.mark.parametrize("fps", [12.0, 30.0])
@pytest.mark.parametrize("llr", [0.3, 1.0, -0.6, 4.0])
def test_constant_llr_settles_where_the_formula_says(llr: float, fps: float) -> None:
    evidence = Evidence(half_life_seconds=5.0, limit=100.0)
    run(evidence, llr, int(100 * fps), fps=fps, window_frames=64)
    expected = settled_evidence(llr, fps=fps, window_frames=64, half_life_seconds=5.0, limit=100.0)
    assert evidence.value == pytest.approx(expected, rel=1e-3)
    # For steps much shorter than the half-life: llr times the windows that fit into half_life / ln 2.
    assert evidence.value == pytest.approx(llr * (5.0 / math.log(2)) / (64 / fps), rel=0.01)


def test_without_fading_a_stretch_of_video_counts_as_many_windows_as_fit_into_it() -> None:
    every_frame, every_window = Evidence(1e9, 100.0), Evidence(1e9, 100.0)
    run(every_frame, 1.5, 64 * 5, fps=30.0, window_frames=64)
    run(every_window, 1.5, 5, fps=30.0 / 64, window_frames=1)
    assert every_frame.value == pytest.approx(5 * 1.5, rel=1e-6)
    assert every_frame.value == pytest.approx(every_window.value, rel=1e-6)
    assert every_frame.fresh_windows == pytest.approx(5.0)


def test_evidence_halves_in_its_half_life() -> None:
    evidence = Evidence(half_life_seconds=10.0, limit=6.0)
    evidence.add(4.0, 1.0)
    evidence.fade(10.0)
    assert evidence.value == pytest.approx(2.0)
    evidence.fade(20.0)
    assert evidence.value == pytest.approx(0.5)


@given(st.lists(st.tuples(LLRS, SHARES, SECONDS)))
def test_never_leaves_its_limits(steps: list[tuple[float, float, float]]) -> None:
    evidence = Evidence(half_life_seconds=10.0, limit=6.0)
    for llr, share, seconds in steps:
        evidence.fade(seconds)
        evidence.add(llr, share)
        assert -6.0 <= evidence.value <= 6.0


@given(llr=LLRS, seconds=st.lists(SECONDS, min_size=1))
def test_missing_evidence_only_moves_toward_zero(llr: float, seconds: list[float]) -> None:
    evidence = Evidence(half_life_seconds=10.0, limit=6.0)
    evidence.add(llr, 1.0)
    for step in seconds:
        before = evidence.value
        evidence.fade(step)
        assert abs(evidence.value) <= abs(before)
        assert evidence.value * before >= 0


def test_one_extreme_window_says_no_more_than_the_limit() -> None:
    evidence = Evidence(half_life_seconds=10.0, limit=6.0)
    evidence.add(1e9, 0.5)
    assert evidence.value == 3.0


@pytest.mark.parametrize(("before", "after"), [(4.0, 0.0), (-4.0, -4.0)])
def test_interruption_forgets_only_what_speaks_for_the_driver(before: float, after: float) -> None:
    evidence = Evidence(half_life_seconds=10.0, limit=6.0)
    evidence.add(before, 1.0)
    evidence.interrupt()
    assert evidence.value == after
    assert evidence.fresh_windows == 0.0


@pytest.mark.parametrize("llr", [-0.6, -1.0, -1.5, -3.0, -50.0])
@pytest.mark.parametrize("fps", [15.0, 30.0])
def test_time_to_an_alert_after_a_swap_is_the_formula(llr: float, fps: float) -> None:
    config = VerifyConfig()
    evidence = Evidence(config.half_life_seconds, config.evidence_limit)
    evidence.add(config.evidence_limit, 1.0)
    start = evidence.value
    frames = 0
    predicted = frames_to_reach(
        config.mismatch_enter,
        llr,
        start=start,
        fps=fps,
        window_frames=64,
        half_life_seconds=config.half_life_seconds,
        limit=config.evidence_limit,
    )
    while evidence.value > config.mismatch_enter and frames < 3000:
        run(evidence, llr, 1, fps=fps, window_frames=64)
        frames += 1
    assert (frames if frames < 3000 else None) == predicted


def test_windows_too_weak_for_the_half_life_are_said_to_never_alert() -> None:
    never = frames_to_reach(-3.0, -0.2, start=6.0, fps=30.0, window_frames=64, half_life_seconds=10.0, limit=6.0)
    assert never is None
    assert settled_evidence(-0.2, fps=30.0, window_frames=64, half_life_seconds=10.0, limit=6.0) > -3.0
