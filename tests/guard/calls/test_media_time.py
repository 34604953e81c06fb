"""Media time that nobody can make run backwards or jump."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.calls.media_time import LONGEST_STEP_SECONDS, Lateness, MediaTime

STAMPS = st.one_of(st.none(), st.floats(-1e9, 1e9, allow_nan=False), st.floats(0, 3))


def times(stamps: list[float | None], otherwise: float = 0.5) -> list[tuple[float, bool]]:
    clock = MediaTime()
    return [clock.take(stamp, otherwise) for stamp in stamps]


def test_it_starts_at_zero_and_follows_the_stamps() -> None:
    assert times([100.0, 100.25, 101.25]) == [(0.0, False), (0.25, False), (1.25, False)]


@pytest.mark.parametrize("jump", [LONGEST_STEP_SECONDS + 0.5, 3600.0, 0.0, -0.25, -3600.0])
def test_a_jump_is_a_gap_that_takes_as_long_as_the_other_clock_says(jump: float) -> None:
    after = 101.0 + jump
    assert times([100.0, 101.0, after, after + 0.25]) == [(0, False), (1.0, False), (1.5, True), (1.75, False)]


def test_frames_without_stamps_are_told_apart_from_those_with() -> None:
    assert times([None, None, 5.0, 5.25]) == [(0, False), (0.5, True), (1.0, True), (1.25, False)]


@given(st.lists(STAMPS, min_size=2), st.floats(-10, 10))
def test_it_always_rises_and_a_step_without_a_gap_is_short(stamps: list[float | None], otherwise: float) -> None:
    for (before, _), (after, gap) in pairwise(times(stamps, otherwise)):
        assert before < after
        assert gap or after - before <= LONGEST_STEP_SECONDS + 1e-6


def test_lateness_is_what_comes_on_top_of_the_promptest_frame() -> None:
    lateness = Lateness()
    assert lateness.take(0.0, 10.0) == 0.0
    assert lateness.take(1.0, 10.5) == 0.0  # half a second more prompt than the first
    assert lateness.take(2.0, 12.5) == pytest.approx(1.0, abs=0.003)


def test_clocks_may_drift_for_days() -> None:
    lateness = Lateness()
    assert max(lateness.take(second * (1 - 5e-4), float(second)) for second in range(200_000)) < 0.001
