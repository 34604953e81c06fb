"""A warp solved on few points reaches every pixel, on the whole picture as on a part of it."""

from __future__ import annotations

import numpy as np
import pytest

from training.generators.coarse_grid import CoarseGrid, head_follow
from training.generators.targets import View

SEEN = View(left=-2.0, top=-1.5, unit_px=40.0, width_px=150, height_px=122)
FINE = SEEN.points_px(SEEN.grid()).astype(np.float32)
STILL = np.array([0, 0, 1, 0], np.float32)


@pytest.mark.parametrize("step", [0.025, 0.1, 0.17])
def test_an_affine_motion_is_exact_on_whole_and_part(step: float) -> None:
    grid = CoarseGrid(SEEN, step, background=1.0)
    part = grid.around((-0.5, 0.6), (-0.2, 0.7))
    assert part is not None
    inside = part.pixels
    for patch, rim in ((grid.whole(), 10), (part, 0)):
        moved = patch.points * np.float32(1.1) + np.array([0.05, -0.02], np.float32)
        at = patch.at_pixels(moved, SEEN.unit_px, FINE)
        wanted = SEEN.points_px(SEEN.grid() * 1.1 + [0.05, -0.02])[patch.pixels]
        # beyond the outermost points there is nothing to interpolate with
        middle = (slice(rim, at.shape[0] - rim), slice(rim, at.shape[1] - rim))
        np.testing.assert_allclose(at[middle], wanted[middle], atol=0.02)
    covered = SEEN.grid()[inside].reshape(-1, 2)
    assert (covered.min(axis=0) <= [-0.5 + 0.03, -0.2 + 0.03]).all()
    assert (covered.max(axis=0) >= [0.6 - 0.03, 0.7 - 0.03]).all()


def test_a_part_beyond_the_picture_is_none() -> None:
    assert CoarseGrid(SEEN, 0.1, background=0.0).around((3.0, 4.0), (0.0, 1.0)) is None


def test_a_moved_head_takes_along_what_follows_it() -> None:
    head = np.array([0.2, -0.1, 1.0, 0.0], np.float32)
    for background, corner in ((0.0, 0.0), (1.0, 0.19)):
        patch = CoarseGrid(SEEN, 0.1, background).whole()
        np.testing.assert_allclose(patch.stilled(STILL), patch.points, atol=1e-6)
        shift = (patch.points - patch.stilled(head))[..., 0]
        assert shift[20, 20] == pytest.approx(0.19, abs=0.005)
        assert shift[0, 0] == pytest.approx(corner, abs=0.005)
    assert head_follow(np.array([0.0, 0.3])) == 1
