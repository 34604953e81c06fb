"""Windows come at one rate from samples at any, and hold nothing that was not seen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from engines.errors import EngineInputError
from engines.expressions.series import LONGEST_GAP_SECONDS, ExpressionSeries, windows


def series(seconds: NDArray[np.float64], found: NDArray[np.bool_] | None = None) -> ExpressionSeries:
    """Signals that tell the time: column k is (k + 1) times the second."""
    rows = len(seconds)
    signals = (seconds[:, None] * np.arange(1, 18)).astype(np.float32)
    blendshapes = np.tile(np.linspace(0, 1, 52, dtype=np.float32), (rows, 1))
    return ExpressionSeries(seconds, blendshapes, signals, np.ones(rows, bool) if found is None else found)


def test_even_samples_come_out_as_they_are() -> None:
    seconds = np.arange(50) / 12.5
    cut = windows(series(seconds), 12.5, 20, 10)
    assert cut.shape == (4, 20, 17)
    np.testing.assert_allclose(cut[1, :, 0], seconds[10:30], atol=1e-6)
    assert windows(series(seconds), 12.5, 20, 10, reads="blendshapes").shape == (4, 20, 52)


def test_no_window_crosses_a_gap() -> None:
    early, late = np.arange(30) / 10, 4 + np.arange(30) / 10
    cut = windows(series(np.concatenate([early, late])), 10, 20, 5)
    assert len(cut) == 6
    starts_and_ends = cut[:, [0, -1], 0]
    assert not ((starts_and_ends[:, 0] < 3) & (starts_and_ends[:, 1] > 3)).any()


def test_a_face_that_is_lost_for_long_breaks_the_run_and_a_lost_frame_does_not() -> None:
    seconds = np.arange(60) / 10
    short, long = np.ones(60, bool), np.ones(60, bool)
    short[30] = False
    long[30:36] = False
    np.testing.assert_allclose(windows(series(seconds, short), 10, 60, 1)[0, :, 0], seconds, atol=1e-6)
    assert len(windows(series(seconds, long), 10, 31, 1)) == 0
    assert len(windows(series(seconds, long), 10, 24, 24)) == 2


def test_what_is_not_a_number_is_no_face() -> None:
    seen = series(np.arange(40) / 10)
    seen.signals[20, 3] = np.nan
    cut = windows(seen, 10, 40, 1)
    assert np.isfinite(cut).all()
    np.testing.assert_allclose(cut[0, 20, 3], 8.0, atol=1e-5)


@given(
    steps=st.lists(st.floats(0.01, 1.0), min_size=1, max_size=80),
    lost=st.sets(st.integers(0, 79)),
    rate_hz=st.floats(2, 60),
    frames=st.integers(1, 20),
    hop=st.integers(1, 20),
)
def test_windows_hold_only_what_was_seen(
    steps: list[float], lost: set[int], rate_hz: float, frames: int, hop: int
) -> None:
    seconds = np.cumsum(steps)
    found = np.array([number not in lost for number in range(len(seconds))])
    cut = windows(series(seconds, found), rate_hz, frames, hop)
    assert cut.dtype == np.float32
    assert cut.shape[1:] == (frames, 17)
    seen = seconds[found]
    for window in cut[..., 0].astype(np.float64):
        np.testing.assert_allclose(np.diff(window), 1 / rate_hz, atol=1e-3)
        inside = seen[(seen >= window[0] - 1e-4) & (seen <= window[-1] + 1e-4)]
        edges = np.concatenate([[window[0]], inside, [window[-1]]])
        assert np.diff(edges).max() <= LONGEST_GAP_SECONDS + 1e-3


@pytest.mark.parametrize(("rate_hz", "frames", "hop"), [(0, 5, 1), (10, 0, 1), (10, 5, 0), (float("nan"), 5, 1)])
def test_windows_need_a_rate_a_length_and_a_hop(rate_hz: float, frames: int, hop: int) -> None:
    with pytest.raises(EngineInputError, match="positive rate, length and hop"):
        windows(series(np.arange(5) / 5), rate_hz, frames, hop)


def test_series_of_other_shapes_are_refused() -> None:
    seconds = np.arange(5) / 5
    blendshapes, signals, found = np.zeros((5, 52), np.float32), np.zeros((5, 17), np.float32), np.ones(5, bool)
    with pytest.raises(EngineInputError, match=r"blendshapes \(5, 52\), not \(5, 51\)"):
        ExpressionSeries(seconds, blendshapes[:, 1:], signals, found)
    with pytest.raises(EngineInputError, match="must grow"):
        ExpressionSeries(seconds[::-1], blendshapes, signals, found)


def test_no_samples_give_no_windows() -> None:
    assert windows(series(np.empty(0)), 10, 5, 1).shape == (0, 5, 17)
