"""Two clocks tied by asking: the offset lies within the stated uncertainty, whatever the answers took."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.bench.clock_tie import ClockReading, ClockTie, join_ties, tie_clocks

WAYS = st.lists(st.tuples(st.floats(0, 0.5), st.floats(0, 0.5)), min_size=1, max_size=20)


@given(offset=st.floats(-1e6, 1e6), ways=WAYS)
def test_the_true_offset_is_within_the_uncertainty(offset: float, ways: list[tuple[float, float]]) -> None:
    readings = [
        ClockReading(asked=float(second), told=second + there + offset, answered=second + there + back)
        for second, (there, back) in enumerate(ways)
    ]
    tie = tie_clocks(readings)
    assert abs(tie.offset_seconds - offset) <= tie.uncertainty_seconds + 1e-9


def test_the_shortest_round_trip_counts_and_the_steps_of_the_clock_are_added() -> None:
    tie = tie_clocks([ClockReading(0, 7.0, 4), ClockReading(10, 15.5, 11)], resolution_seconds=0.25)
    assert tie == ClockTie(offset_seconds=5.0, uncertainty_seconds=0.75)
    assert tie.ours(15.5) == 10.5


def test_what_may_be_one_clock_is_left_as_it_is() -> None:
    tie = ClockTie(offset_seconds=-0.0001, uncertainty_seconds=0.0002)
    assert tie.is_one_clock
    assert tie.ours(12.0) == 12.0


def test_a_drift_between_two_ties_is_part_of_the_uncertainty() -> None:
    joined = join_ties(ClockTie(2.0, 0.1), ClockTie(2.5, 0.2))
    assert joined.offset_seconds == 2.25
    assert joined.uncertainty_seconds == pytest.approx(0.45)
