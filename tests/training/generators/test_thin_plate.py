"""Thin plates pass through their nodes, and an affine motion of the nodes is an affine motion of everything."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import map_coordinates

from training.drivers.landmarks import LANDMARKS
from training.generators.fields import lid_gains
from training.generators.lid_bands import band_operator
from training.generators.targets import CANONICAL_VIEW, crop_view
from training.generators.thin_plate_torch import ThinPlateWarp, thin_plate, thin_plate_kernel
from training.generators.views import ClipViews
from training.puppets.puppet import puppet_targets

LINEAR, SHIFT = np.array([[1.08, 0.05], [-0.09, 0.93]]), np.array([0.04, -0.06])


def test_an_affine_motion_bends_nothing() -> None:
    nodes = torch.rand(2, 30, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
    values = nodes @ torch.tensor(LINEAR, dtype=torch.float32) + torch.tensor(SHIFT, dtype=torch.float32)
    bending, affine = thin_plate(nodes, values)
    assert float(bending.abs().max()) < 1e-5
    np.testing.assert_allclose(affine[0].numpy(), np.vstack([SHIFT, LINEAR]), atol=1e-5)


def test_a_plate_passes_through_its_nodes() -> None:
    generator = torch.Generator().manual_seed(1)
    nodes, values = (torch.rand(1, 25, 2, generator=generator) for _ in range(2))
    bending, affine = thin_plate(nodes, values)
    there = thin_plate_kernel(nodes, nodes) @ bending + affine[:, :1] + nodes @ affine[:, 1:]
    torch.testing.assert_close(there, values, rtol=0, atol=0.02)
    torch.testing.assert_close(bending.sum(dim=1), torch.zeros(1, 2), rtol=0, atol=1e-3)


def test_the_kernel_is_bookstein_s() -> None:
    points, nodes = torch.tensor([[[0.0, 0.0], [3.0, 4.0]]]), torch.tensor([[[0.0, 0.0]]])
    expected = torch.tensor([[[0.0], [25 * np.log(25)]]], dtype=torch.float32)
    torch.testing.assert_close(thin_plate_kernel(points, nodes), expected)


def test_lid_bands_move_affinely_with_the_face() -> None:
    bands, shape = band_operator(), puppet_targets([1]).landmarks[0]
    np.testing.assert_allclose(bands @ (shape @ LINEAR + SHIFT), bands @ shape @ LINEAR + SHIFT, atol=1e-5)


def test_an_affine_motion_of_the_landmarks_shows_the_affinely_warped_portrait() -> None:
    targets = puppet_targets([1])
    shape = targets.landmarks[0]
    motion = ((shape @ LINEAR + SHIFT - shape) / lid_gains(shape)).astype(np.float32)
    views = ClipViews(torch.tensor([[0.0, 0.2]]), torch.tensor([3.2]), torch.ones(1), torch.zeros(1))
    head = torch.tensor([0.0, 0, 1, 0]).expand(1, 1, 4)
    shown = ThinPlateWarp(targets).render(
        torch.tensor([0]), torch.from_numpy(motion).view(1, 1, LANDMARKS, 2), head, views
    )[0, 0]
    source = (crop_view((0.0, 0.2), 3.2).grid() - SHIFT) @ np.linalg.inv(LINEAR)
    x, y = np.moveaxis(CANONICAL_VIEW.points_px(source), -1, 0)
    warped = map_coordinates(targets.images[0].astype(np.float32), [y, x], order=1, mode="nearest")
    error = np.abs(shown.numpy() - warped)
    assert np.quantile(error, 0.95) < 0.01  # the rest are eyes and lips, behind which a ball and teeth were put
