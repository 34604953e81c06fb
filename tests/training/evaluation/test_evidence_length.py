"""Error against the video heard: closed forms for means of windows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.training.evaluation.made_up_calls import WINDOW_FRAMES, made_up_engine, made_up_streams
from training.errors import DataError
from training.evaluate import DriverEmbeddings, cosine, window_trials
from training.evaluation.evidence_length import evidence_trials, joined_windows, middle, stretch_means
from training.metrics import equal_error_rate, pooled_equal_error


def test_a_stretch_is_the_mean_of_the_windows_inside_it() -> None:
    scores = np.arange(23, dtype=np.float64)
    assert stretch_means(scores, 10, 4).tolist() == [np.mean(range(3, 10)), np.mean(range(13, 20))]
    assert stretch_means(scores, 23, 23).tolist() == [22.0]
    assert stretch_means(scores, 24, 4).tolist() == []
    with pytest.raises(DataError, match="hold no window"):
        stretch_means(scores, 3, 4)


def test_more_seconds_average_noise_away_as_the_square_root_law_says() -> None:
    """Independent normal windows: EER of a mean of n of them is Phi(-d' sqrt(n) / 2)."""
    random = np.random.default_rng(0)
    genuine = np.repeat([True, False], 40_000)
    for windows in (1, 4, 9):
        scores = random.standard_normal(80_000 * windows) + np.repeat(0.6 * genuine, windows)
        found = equal_error_rate(stretch_means(scores, windows, 1), genuine)
        assert found == pytest.approx(0.5 * math.erfc(0.3 * math.sqrt(windows) / math.sqrt(2)), abs=0.006)


def test_streams_are_cut_into_stretches_and_compared_within_a_target() -> None:
    spec = made_up_engine().spec
    streams = made_up_streams(drivers=4, targets=2, frames=8 * WINDOW_FRAMES, spread=9.0)
    short = evidence_trials(streams, spec, 2.0)
    assert len(short.scores) == 2 * 4 * 4 * 8
    long = evidence_trials(streams, spec, 8.0)
    assert len(long.scores) == 2 * 4 * 4 * 2
    assert pooled_equal_error(long) < pooled_equal_error(short)
    with pytest.raises(DataError, match="30 s long"):
        evidence_trials(streams, spec, 30.0)


def test_middles_of_windows_share_their_centre() -> None:
    windows = np.broadcast_to(np.arange(64, dtype=np.uint8)[None, :, None, None], (3, 64, 2, 2))
    assert middle(windows, 16)[0, :, 0, 0].tolist() == list(range(24, 40))
    assert middle(windows, 64).shape == windows.shape
    with pytest.raises(DataError, match="nothing is padded"):
        middle(windows, 65)


def test_joined_windows_are_unit_means_of_neighbours() -> None:
    rows: NDArray[np.float32] = np.eye(4, dtype=np.float32)
    one = DriverEmbeddings(0, 0, rows, rows[:3])
    (joined,) = joined_windows([one, DriverEmbeddings(1, 0, rows[:1], rows)], 2)
    half = 1 / math.sqrt(2)
    np.testing.assert_allclose(joined.enrol, [[half, half, 0, 0], [0, 0, half, half]], rtol=1e-6)
    np.testing.assert_allclose(joined.probe, [[half, half, 0, 0]], rtol=1e-6)
    assert window_trials([joined], cosine).scores.tolist() == pytest.approx([1.0, 0.0])
    with pytest.raises(DataError, match="nobody has 5"):
        joined_windows([one], 5)
