"""Optical flow between two frames: what it finds of motion that is known, and that one bad picture harms nothing."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from engines.optical_flow import CELLS, GRID, MOST_MOVED_PX, UNIT_PX, FlowHistory, window_means
from engines.protocol import FRAME_SIZE_PX

Frame = NDArray[np.uint8]


def textured(across_px: float, down_px: float, inner_px: float = 0.0) -> Frame:
    """A smooth pattern that moved by so much; inner: what its four middle cells moved across besides."""
    y, x = np.mgrid[:FRAME_SIZE_PX, :FRAME_SIZE_PX].astype(np.float64)
    inside = (abs(x - 63.5) < 16) & (abs(y - 63.5) < 16)
    x, y = x - across_px - inner_px * inside, y - down_px
    picture: Frame = np.round(128 + 50 * np.sin(x / 5) + 50 * np.sin(y / 6 + 1)).astype(np.uint8)
    return picture


def flow_between(before: Frame, after: Frame) -> NDArray[np.float32]:
    """(4, 64): across, down, and both from the median."""
    history = FlowHistory(1)
    history.push_frame(0, before, False)
    return history.push_frame(0, after, True).reshape(4, CELLS)


@pytest.mark.parametrize(("across_px", "down_px"), [(0.4, 0.0), (0.0, -0.7), (-0.6, 0.3)])
def test_a_picture_that_moves_as_a_whole(across_px: float, down_px: float) -> None:
    across, down, *on_its_own = flow_between(textured(0, 0), textured(across_px, down_px))
    halved = np.abs([across_px, down_px]) / 2 / UNIT_PX
    np.testing.assert_allclose(across, halved[0], atol=0.25)
    np.testing.assert_allclose(down, halved[1], atol=0.25)
    assert np.max(on_its_own) < 0.4


def test_what_moves_besides_the_head_stands_out_from_the_median() -> None:
    """All moves 1 px to the right, the middle 1 px more: of what is told from the median only the middle is left."""
    flow = flow_between(textured(0, 0), textured(1, 0, 1))
    across, own = flow[0].reshape(GRID, GRID), flow[2].reshape(GRID, GRID)
    assert across[3:5, 3:5].mean() > across[0].mean() + 2
    assert own[3:5, 3:5].mean() > 2
    assert np.median(own) < 0.3


def test_nothing_moves_where_nothing_does() -> None:
    picture = textured(0, 0)
    assert not flow_between(picture, picture).any()
    flat = np.full((FRAME_SIZE_PX, FRAME_SIZE_PX), 17, np.uint8)
    assert not flow_between(flat, flat + np.uint8(200)).any()


def test_across_a_break_and_after_a_reset_there_is_no_flow() -> None:
    history = FlowHistory(2)
    first, second = textured(0, 0), textured(0.5, 0)
    assert not history.push_frame(0, first, True).any()
    assert history.push_frame(0, second, True).any()
    assert not history.push_frame(1, first, True).any(), "another stream's frame"
    assert not history.push_frame(0, first, False).any()
    history.reset(0)
    assert not history.push_frame(0, second, True).any()


def test_any_pictures_give_bounded_values() -> None:
    random = np.random.default_rng(0)
    shape = (FRAME_SIZE_PX, FRAME_SIZE_PX)
    rows = np.repeat((np.arange(FRAME_SIZE_PX) % 4 < 2) * np.uint8(255), FRAME_SIZE_PX).reshape(shape)
    pictures = [random.integers(0, 256, shape, dtype=np.uint8), rows, rows.T, np.zeros(shape, np.uint8), 255 - rows]
    history = FlowHistory(1)
    for before in pictures:
        for after in pictures:
            history.push_frame(0, before, False)
            flow = history.push_frame(0, after, True)
            assert np.isfinite(flow).all()
            assert flow.max() <= 2 * MOST_MOVED_PX / UNIT_PX + 1e-3


def test_window_means_weigh_all_that_they_see_alike() -> None:
    means = window_means()
    np.testing.assert_allclose(means.sum(1), 1, rtol=1e-6)
    np.testing.assert_array_equal((means > 0).sum(1), [16, *[24] * 6, 16])
