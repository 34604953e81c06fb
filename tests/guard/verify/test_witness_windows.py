"""Windows out of samples at uneven steps: even, by media time, and never across what was not seen."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from engines.expressions.series import LONGEST_GAP_SECONDS
from guard.verify.witness_windows import WindowCollector

RATE, FRAMES = 10.0, 11
"""A window from its first sample to its last takes a second."""


def collector(hop: float = 0.5) -> WindowCollector:
    return WindowCollector(RATE, FRAMES, hop)


def row(seconds: float) -> NDArray[np.float32]:
    """Two channels that are linear in time, so that interpolation is exact."""
    return np.array([seconds, 3 - 2 * seconds], np.float32)


def collected(times: list[float], hop: float = 0.5) -> list[tuple[float, NDArray[np.float32]]]:
    one = collector(hop)
    found = ((seconds, one.add(seconds, row(seconds))) for seconds in times)
    return [(seconds, window) for seconds, window in found if window is not None]


steps = st.lists(st.floats(0.01, 0.9), min_size=1, max_size=60)


@given(steps=steps, hop=st.sampled_from([0.1, 0.5, 1.0]))
def test_windows_end_now_and_are_even_in_media_time(steps: list[float], hop: float) -> None:
    for end, window in collected(list(np.cumsum(steps)), hop):
        wanted = end - np.arange(FRAMES)[::-1] / RATE
        assert window.shape == (FRAMES, 2)
        assert window.dtype == np.float32
        np.testing.assert_allclose(window[:, 0], wanted, atol=1e-4)
        np.testing.assert_allclose(window[:, 1], 3 - 2 * wanted, atol=1e-4)


@given(steps=steps)
def test_no_window_reaches_across_a_gap(steps: list[float]) -> None:
    times = list(np.cumsum(steps))
    for end, window in collected(times):
        inside = [seconds for seconds in times if window[0, 0] - 1e-4 <= seconds <= end]
        first = max((seconds for seconds in times if seconds <= window[0, 0] + 1e-4), default=inside[0])
        assert max(np.diff([first, *[t for t in inside if t > first]]), default=0) <= LONGEST_GAP_SECONDS + 1e-6


@given(steps=steps, hop=st.sampled_from([0.5, 1.0, 2.0]))
def test_windows_keep_their_distance(steps: list[float], hop: float) -> None:
    ends = [end for end, _ in collected(list(np.cumsum(steps)), hop)]
    assert all(later - earlier >= hop - 1e-5 for earlier, later in pairwise(ends))


@given(steps=st.lists(st.floats(-2, 2) | st.sampled_from([np.nan, np.inf, -np.inf]), max_size=60))
def test_whatever_time_does_windows_are_finite(steps: list[float]) -> None:
    one = collector()
    for seconds in steps:
        window = one.add(seconds, row(seconds))
        assert window is None or np.isfinite(window).all()
        assert 0 <= one.progress <= 1


def test_a_steady_stream_gives_a_window_each_hop() -> None:
    ends = [end for end, _ in collected([k / 12.5 for k in range(126)], hop=1.0)]
    assert ends[0] == pytest.approx(1.04, abs=0.05)
    assert len(ends) == 9


def test_a_face_lost_for_long_starts_anew_and_one_lost_for_a_moment_does_not() -> None:
    for missing, windows in ((3, 1), (8, 0)):
        one = collector()
        found = []
        for k in range(15):
            hidden = 6 <= k < 6 + missing
            found.append(one.add(k / 10, None if hidden else row(k / 10)))
        assert sum(window is not None for window in found) == windows, missing


def test_a_stream_that_begins_anew_is_followed() -> None:
    one = collector()
    for k in range(8):
        one.add(100 + k / 10, row(0))
    found = [one.add(k / 10, row(k / 10)) for k in range(12)]
    assert [window is not None for window in found].index(True) == 10
    assert one.add(1.05, row(0)) is None, "a sample of the past is passed over"


def test_numbers_that_are_none_count_as_no_face() -> None:
    one = collector()
    for k in range(20):
        assert one.add(k / 10, np.array([np.nan, 1], np.float32)) is None
    assert one.progress == 0
