"""The rasteriser covers exactly what it should, nearest first, with closed-form weights; a batch is its members."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from training.generators.face_mesh.rasterizer import Fragments, rasterize

SIZE = 16


def _picture(fragments: Fragments, values: Tensor, pictures: int = 1) -> Tensor:
    """Interpolated values (pictures, SIZE, SIZE), -1 where nothing is seen."""
    picture = torch.full((pictures * SIZE * SIZE,), -1.0)
    picture[fragments.pixel] = fragments.interpolate(values)
    return picture.view(pictures, SIZE, SIZE)


def _cloud(generator: torch.Generator, batch: int) -> tuple[Tensor, Tensor]:
    points = torch.rand(batch, 12, 3, generator=generator) * 24 - 4
    return points, torch.randint(12, (20, 3), generator=generator)


def test_weights_are_the_closed_form_inside_and_nothing_is_seen_outside() -> None:
    """Of a right triangle with legs of 8 pixels, the value 10 + 2x + 3y is a plane and must come back as that."""
    points = torch.tensor([[[2.0, 3.0, 0.0], [10.0, 3.0, 0.0], [2.0, 11.0, 0.0]]])
    fragments = rasterize(points, torch.tensor([[0, 1, 2]]), SIZE)
    picture = _picture(fragments, 10 + 2 * points[..., 0] + 3 * points[..., 1])[0]
    y, x = torch.meshgrid(torch.arange(SIZE) + 0.5, torch.arange(SIZE) + 0.5, indexing="ij")
    inside = (x >= 2) & (y >= 3) & (x + y <= 13)
    assert torch.equal(picture >= 0, inside)
    np.testing.assert_allclose(picture[inside], (10 + 2 * x + 3 * y)[inside], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(fragments.weights.sum(dim=1), torch.ones(len(fragments.weights)), rtol=1e-5, atol=1e-5)


def test_what_faces_away_is_not_drawn() -> None:
    points = torch.tensor([[[2.0, 3.0, 0.0], [10.0, 3.0, 0.0], [2.0, 11.0, 0.0]]])
    assert len(rasterize(points, torch.tensor([[0, 2, 1]]), SIZE).pixel) == 0


def test_the_nearer_of_two_crossing_planes_is_seen_at_every_pixel() -> None:
    """Two squares that cut each other along x = 8: the left half shows the one that is nearer there."""
    square = torch.tensor([[0.0, 0.0], [16.0, 0.0], [16.0, 16.0], [0.0, 16.0]])
    rising, falling = square[:, :1], 16 - square[:, :1]
    points = torch.cat([torch.cat([square, rising], 1), torch.cat([square, falling], 1)]).unsqueeze(0)
    triangles = torch.tensor([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]])
    for order in (triangles, triangles.flip(0)):
        shown = _picture(rasterize(points, order, SIZE), torch.tensor([[1.0] * 4 + [2.0] * 4]))[0]
        assert torch.equal(shown[:, :8], torch.full((SIZE, 8), 2.0))
        assert torch.equal(shown[:, 8:], torch.full((SIZE, 8), 1.0))


def test_every_pixel_agrees_with_a_search_through_all_triangles() -> None:
    points, triangles = _cloud(torch.Generator().manual_seed(3), 1)
    seen = _picture(rasterize(points, triangles, SIZE), points[..., 2])[0]
    y, x = torch.meshgrid(torch.arange(SIZE) + 0.5, torch.arange(SIZE) + 0.5, indexing="ij")
    nearest, unsure = torch.full((SIZE, SIZE), -1e9), torch.zeros(SIZE, SIZE, dtype=torch.bool)
    for a, b, c in points[0, triangles]:
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        if area <= 1e-3:
            continue
        second = ((x - a[0]) * (c[1] - a[1]) - (y - a[1]) * (c[0] - a[0])) / area
        third = ((b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0])) / area
        least = torch.minimum(torch.minimum(second, third), 1 - second - third)
        depth = a[2] + second * (b[2] - a[2]) + third * (c[2] - a[2])
        unsure |= least.abs() < 1e-3
        nearest = torch.where(least >= 0, torch.maximum(nearest, depth), nearest)
    sure = ~unsure & (nearest > -1e9)
    assert sure.sum() > 100
    np.testing.assert_allclose(seen[sure], nearest[sure], atol=2e-3)


def test_a_batch_is_its_members_one_by_one() -> None:
    points, triangles = _cloud(torch.Generator().manual_seed(5), 3)
    together = _picture(rasterize(points, triangles, SIZE), points[..., 0], 3)
    alone = [_picture(rasterize(one[None], triangles, SIZE), one[None, :, 0])[0] for one in points]
    assert torch.equal(together, torch.stack(alone))


def test_neighbours_leave_no_gap() -> None:
    """A fan of thin triangles around one point covers a disc without a hole."""
    turn = torch.arange(48) * (2 * torch.pi / 48)
    rim = torch.stack([8.03 + 7 * torch.cos(turn), 7.98 + 7 * torch.sin(turn), torch.zeros(48)], dim=1)
    points = torch.cat([torch.tensor([[8.1, 8.2, 0.0]]), rim]).unsqueeze(0)
    place = torch.arange(48)
    triangles = torch.stack([torch.zeros_like(place), place + 1, (place + 1) % 48 + 1], dim=1)
    shown = _picture(rasterize(points, triangles, SIZE), torch.ones(1, 49))[0]
    y, x = torch.meshgrid(torch.arange(SIZE) + 0.5, torch.arange(SIZE) + 0.5, indexing="ij")
    disc = torch.hypot(x - 8.03, y - 7.98)
    assert (shown[disc < 6.95] > 0.999).all()
    assert (shown[disc > 7.0] == -1).all()
