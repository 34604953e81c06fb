"""A z-buffer in plain tensor code: which triangle each pixel sees, for a batch of pictures, on any device.

Triangles are cut into the pixel rows that they touch, rows into the pixels between their two edges, so the work grows
with the area that is drawn and not with bounding boxes. The nearest candidate of a pixel wins through one integer
maximum (depth in the high bits, candidate in the low ones), which gives the same picture every time.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

DEPTH_RANGE = 4096.0
"""Depths between minus and plus this, in pixels, are told apart."""
_DEPTH_BITS = 24
_CANDIDATE_BITS = 38
_SMALLEST_AREA = 1e-3
"""Twice the area, in square pixels, below which a triangle is seen edge on and its planes are too steep to trust."""
_SLACK = 1e-4
"""How far, in pixels, a row reaches beyond its edges: neighbours must not leave a gap between them by rounding."""


@dataclass(frozen=True, slots=True)
class Fragments:
    """What is seen. pixel: int64 (P,), index into (N * size * size), each at most once. corners: int64 (P, 3), the
    triangle's vertices as indices into (N * V). weights: float (P, 3), barycentric, they add up to 1."""

    pixel: Tensor
    corners: Tensor
    weights: Tensor

    def interpolate(self, values: Tensor) -> Tensor:
        """Values of vertices (N, V) at the fragments, (P,)."""
        seen = values.reshape(-1).index_select(0, self.corners.view(-1)).view_as(self.weights)
        return (seen * self.weights).sum(dim=1)


def rasterize(points: Tensor, triangles: Tensor, size: int) -> Fragments:
    """The fragments of triangles int64 (F, 3) with vertices `points` float (N, V, 3), in square pictures.

    points: x, y in pixels (the centre of the first pixel is 0.5, 0.5) and z, larger is nearer. Triangles whose corners
    run from y to x face away and are left out. Pixel centres on an edge belong to both sides; among equally near
    candidates the last wins.
    """
    batch, vertices = points.shape[:2]
    count = len(triangles)
    a, b, c = (points.index_select(1, triangles[:, corner]).view(-1, 3) for corner in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    shown = torch.nonzero(area > _SMALLEST_AREA).squeeze(1)
    a, b, c, area = (values.index_select(0, shown) for values in (a, b, c, area))
    plane = _planes(a, b, c, area)
    top = _first_centre(torch.minimum(torch.minimum(a[:, 1], b[:, 1]), c[:, 1])).clamp(min=0).long()
    bottom = _last_centre(torch.maximum(torch.maximum(a[:, 1], b[:, 1]), c[:, 1])).clamp(max=size - 1).long()
    owner, row = _expanded(top, (bottom - top + 1).clamp(min=0))
    lines = plane.index_select(0, owner)
    height = row + 0.5 - lines[:, 7]
    first, last = _spans(lines, height, size)
    line, column = _expanded(first, (last - first + 1).clamp(min=0))
    picture = torch.div(shown, count, rounding_mode="floor")
    begin = (picture.index_select(0, owner) * size + row) * size
    depth = lines[:, 8] + lines[:, 5] * height - lines[:, 4] * lines[:, 6]
    depth = depth.index_select(0, line) + lines[:, 4].index_select(0, line) * (column + 0.5)
    winner, pixel = _nearest(begin.index_select(0, line) + column, depth, batch * size * size)
    line, column = line.index_select(0, winner), column.index_select(0, winner)
    seen, height, owner = (values.index_select(0, line) for values in (lines, height, owner))
    across = column + 0.5 - seen[:, 6]
    second = (seen[:, 0] * across + seen[:, 1] * height).clamp(0, 1)
    third = torch.minimum((seen[:, 2] * across + seen[:, 3] * height).clamp(min=0), 1 - second)
    own = triangles.index_select(0, shown % count) + (picture * vertices).unsqueeze(1)
    corners = own.index_select(0, owner)
    return Fragments(pixel, corners, torch.stack([1 - second - third, second, third], dim=1))


def _first_centre(low: Tensor) -> Tensor:
    """The first pixel whose centre lies at or beyond a coordinate."""
    return torch.ceil(low - 0.5 - _SLACK)


def _last_centre(high: Tensor) -> Tensor:
    return torch.floor(high - 0.5 + _SLACK)


def _planes(a: Tensor, b: Tensor, c: Tensor, area: Tensor) -> Tensor:
    """Per triangle (K, 9): slopes, along x and along y, of the second weight, the third weight and the depth; then the
    first corner, where the weights are 0. Offsets from a corner stay exact where a plane is steep."""
    slope_bx, slope_by = (c[:, 1] - a[:, 1]) / area, (a[:, 0] - c[:, 0]) / area
    slope_cx, slope_cy = (a[:, 1] - b[:, 1]) / area, (b[:, 0] - a[:, 0]) / area
    nearer_b, nearer_c = b[:, 2] - a[:, 2], c[:, 2] - a[:, 2]
    depth_x, depth_y = slope_bx * nearer_b + slope_cx * nearer_c, slope_by * nearer_b + slope_cy * nearer_c
    return torch.stack([slope_bx, slope_by, slope_cx, slope_cy, depth_x, depth_y, *a.unbind(1)], dim=1)


def _expanded(start: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """For runs start .. start + count - 1: which run each member belongs to, and the member; int64 (sum of counts,)."""
    owner = torch.repeat_interleave(count)
    ahead = torch.cumsum(count, dim=0) - count
    return owner, torch.arange(len(owner), device=count.device) - (ahead - start).index_select(0, owner)


def _spans(lines: Tensor, height: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """First and last pixel (int64) of rows of triangles, `height` below their first corners: where no weight is < 0."""
    second, third = lines[:, 1] * height, lines[:, 3] * height
    low, high = torch.zeros_like(height), torch.full_like(height, size)
    edges = ((-lines[:, 0] - lines[:, 2], 1 - second - third), (lines[:, 0], second), (lines[:, 2], third))
    for slope, offset in edges:
        crossing = lines[:, 6] - offset / slope
        low = torch.where(slope > 0, torch.maximum(low, crossing), low)
        high = torch.where(slope < 0, torch.minimum(high, crossing), high)
        high = torch.where((slope == 0) & (offset < 0), -1, high)
    return _first_centre(low).clamp(max=size).long(), _last_centre(high).clamp(-1, size - 1).long()


def _nearest(pixel: Tensor, depth: Tensor, pixels: int) -> tuple[Tensor, Tensor]:
    """The winning candidates (P,) and the pixels (P,) that they fill."""
    steps = ((depth / DEPTH_RANGE + 1) * (2 ** (_DEPTH_BITS - 1))).clamp(0, 2**_DEPTH_BITS - 1).long()
    key = (steps << _CANDIDATE_BITS) + torch.arange(len(pixel), device=pixel.device)
    best = torch.full((pixels,), -1, dtype=torch.int64, device=pixel.device)
    best.scatter_reduce_(0, pixel, key, "amax")
    filled = torch.nonzero(best >= 0).squeeze(1)
    return best[filled] & (2**_CANDIDATE_BITS - 1), filled
