"""Meshes cover the picture, every triangle is mapped back affinely, and the first of two that overlap is seen."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from training.generators.piecewise_affine_torch import inverse_maps
from training.generators.scan_conversion import visible_triangles
from training.generators.targets import TARGET_SPAN
from training.generators.triangulation import triangulate
from training.puppets.puppet import puppet_targets


def areas(triangles: NDArray[np.floating]) -> NDArray[np.float64]:
    """Signed areas (K,) of triangles (K, 3, 2)."""
    across, along = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    return np.asarray(across[:, 0] * along[:, 1] - across[:, 1] * along[:, 0], np.float64) / 2


def test_meshes_cover_the_whole_picture_once() -> None:
    for mesh in triangulate(puppet_targets([1]).landmarks[0]):
        sizes = areas(mesh.rest)
        assert sizes.min() > 0
        assert sizes.sum() == pytest.approx(TARGET_SPAN**2, rel=1e-5)


def test_folds_show_the_skin_that_is_farther_from_the_slit() -> None:
    above, below = triangulate(puppet_targets([1]).landmarks[0])
    assert (np.diff(above.rest[:, :, 1].mean(axis=1)) >= -1e-6).all()
    assert (np.diff(below.rest[:, :, 1].mean(axis=1)) <= 1e-6).all()


def brute_force(triangles: NDArray[np.float64], size: int, margin: float) -> NDArray[np.bool_]:
    """Which triangle (K, 3, 2) in front holds which pixel centre by `margin` pixels and more, (K, size, size)."""
    rows, columns = np.mgrid[:size, :size]
    inside = areas(triangles)[:, None, None] > np.zeros((1, size, size))
    for start, end in ((0, 1), (1, 2), (2, 0)):
        edge = triangles[:, end] - triangles[:, start]
        offset = np.stack([columns, rows], axis=-1) - triangles[:, start, None, None]
        distance = edge[:, 0, None, None] * offset[..., 1] - edge[:, 1, None, None] * offset[..., 0]
        inside &= distance / np.linalg.norm(edge, axis=1)[:, None, None] >= margin
    return inside


def test_scan_conversion_agrees_with_testing_every_pixel() -> None:
    rng = np.random.default_rng(3)
    size = 40
    triangles = rng.uniform(-10, 50, (2, 12, 3, 2))
    triangles[:, -1] = [[-500, -500], [500, -500], [0, 900]]  # behind all others, everywhere
    triangles[0, 0] = [[5, 5], [30, 5], [5, 30]]  # edges along pixel centres
    seen = visible_triangles(torch.from_numpy(triangles).float(), size).numpy()
    for frame in range(2):
        sure, likely = (brute_force(triangles[frame], size, margin) for margin in (0.02, -0.02))
        assert (seen[frame] <= sure.argmax(axis=0)).all()
        assert np.take_along_axis(likely, seen[frame][None], axis=0).all()


def test_moved_triangles_are_mapped_back_affinely() -> None:
    rng = np.random.default_rng(0)
    rest = np.array([[[0.0, 0.0], [1.0, 0.1], [0.2, 0.9]]])
    moved = rest + rng.uniform(-0.2, 0.2, rest.shape)
    by_x, by_y, start = inverse_maps(torch.from_numpy(rest), torch.from_numpy(moved)).split(2, dim=-1)
    share = rng.dirichlet(np.ones(3), 5)
    point = torch.from_numpy(share @ moved[0])
    back = by_x * point[:, :1] + by_y * point[:, 1:] + start
    np.testing.assert_allclose(back.numpy(), share @ rest[0], atol=1e-9)
