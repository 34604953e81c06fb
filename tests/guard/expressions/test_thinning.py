"""About so many frames a second are tracked, whatever rate the camera has and whatever its clock says."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.expressions.thinning import Thinning


@pytest.mark.parametrize(("fps", "rate_hz"), [(25, 12.5), (30, 12.5), (30, 15), (29.97, 12.5), (60, 12.5), (24, 12.5)])
def test_the_rate_is_kept(fps: float, rate_hz: float) -> None:
    thinning = Thinning(rate_hz)
    seconds = np.round(np.arange(int(20 * fps)) / fps, 3)
    taken = [at for at in seconds if thinning.takes(at, at)]
    assert abs(len(taken) - 20 * rate_hz) <= 2
    assert np.diff(taken).max() <= 1 / rate_hz + 1 / fps + 0.002
    assert np.diff(taken).min() >= 1 / rate_hz - 1 / fps - 0.002


def test_every_second_frame_of_25_is_the_same_every_time() -> None:
    thinning = Thinning(12.5)
    taken = [number for number in range(100) if thinning.takes(number / 25, number / 25)]
    assert taken == list(range(0, 100, 2))


def test_a_slow_camera_loses_nothing() -> None:
    thinning = Thinning(12.5)
    assert all(thinning.takes(number / 10, number / 10) for number in range(100))


def test_a_pause_is_not_made_up_for() -> None:
    thinning = Thinning(10)
    before = [thinning.takes(at / 50, at / 50) for at in range(50)]
    after = [thinning.takes(9 + at / 50, 9 + at / 50) for at in range(50)]
    assert sum(before) == sum(after) == 10


def test_a_clock_that_was_set_back_begins_anew() -> None:
    thinning = Thinning(10)
    assert thinning.takes(1000.0, 0.0)
    assert not thinning.takes(999.5, 0.1)
    assert thinning.takes(3.0, 0.2)
    assert not thinning.takes(3.05, 0.25)
    assert thinning.takes(3.1, 0.3)


@given(
    stamps=st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=400),
    fps=st.floats(1, 1000),
    rate_hz=st.floats(5, 30),
)
def test_no_time_stamps_make_more_work_than_twice_the_rate(stamps: list[float], fps: float, rate_hz: float) -> None:
    thinning = Thinning(rate_hz)
    taken = sum(thinning.takes(stamp, number / fps) for number, stamp in enumerate(stamps))
    assert taken <= 2 * rate_hz * (1 + len(stamps) / fps) + 1


@given(steps=st.lists(st.floats(0.001, 0.3), min_size=1, max_size=300), rate_hz=st.floats(5, 30))
def test_steps_of_any_length_give_at_most_the_rate(steps: list[float], rate_hz: float) -> None:
    thinning = Thinning(rate_hz)
    seconds = np.cumsum(steps)
    taken = [at for at in seconds if thinning.takes(at, at)]
    assert len(taken) <= (seconds[-1] - seconds[0] + 0.01) * rate_hz + 2
    missed = [b - a for a, b in pairwise(taken)]
    assert all(gap <= 1 / rate_hz + max(steps) + 1e-9 for gap in missed)


def test_time_that_is_no_number_is_left_out() -> None:
    thinning = Thinning(10)
    assert not any(thinning.takes(stamp, 0.0) for stamp in (math.nan, math.inf, -math.inf))
    assert thinning.takes(0.0, 0.0)
