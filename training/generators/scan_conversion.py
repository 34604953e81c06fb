"""Scan conversion of many triangle meshes at once, in torch: which triangle lies at each pixel.

Every triangle is cut into the pixel rows that it meets, every row into the pixels between two edges; no pixel is tested
that is not in its triangle. A batch is one flat list of rows, however different its triangles are.
"""

from __future__ import annotations

import torch
from torch import Tensor

_OVERLAP = 1e-3
"""Pixels by which rows reach over their edges, so that rounding leaves no gap between neighbours."""


def visible_triangles(triangles: Tensor, size: int) -> Tensor:
    """Number of the first triangle at each pixel centre of `size` x `size` pixels: int64 (N, size, size).

    triangles: float (N, K, 3, 2), pixels, the centre of the first one being (0, 0); in positive order, those in
    negative order are seen from behind and left out. Where there is none the number is K - 1.
    """
    count, each = triangles.shape[:2]
    corners = triangles.flatten(0, 1)
    edge, first, rows = _edges(corners), *_rows(corners, size)
    row_owner = torch.arange(len(corners), device=corners.device).repeat_interleave(rows)
    row = first[row_owner] + _places(rows)
    start, pixels = _spans(edge[row_owner], row, size)
    owner, row = row_owner.repeat_interleave(pixels), row.repeat_interleave(pixels)
    column = start.repeat_interleave(pixels) + _places(pixels)
    seen = torch.full((count * size * size,), each - 1, device=corners.device)
    frame = torch.div(owner, each, rounding_mode="floor")
    seen.scatter_reduce_(0, (frame * size + row) * size + column, owner - frame * each, "amin")
    return seen.view(count, size, size)


def _edges(corners: Tensor) -> Tensor:
    """Lines (M, 3, 3) of triangles (M, 3, 2): a x + b y + c is at least 0 inside."""
    ends = corners.roll(-1, dims=1)
    along = ends - corners
    offset = along[..., 1] * corners[..., 0] - along[..., 0] * corners[..., 1]
    return torch.stack([-along[..., 1], along[..., 0], offset], dim=-1)


def _rows(corners: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """First row and number of rows (M,) of each triangle; none for those seen from behind."""
    across, along = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    in_front = across[:, 0] * along[:, 1] > across[:, 1] * along[:, 0]
    low, high = corners[..., 1].amin(dim=1), corners[..., 1].amax(dim=1)
    first = (low - _OVERLAP).ceil().clamp(0, size).long()
    last = (high + _OVERLAP).floor().clamp(-1, size - 1).long()
    return first, (last - first + 1).clamp(min=0) * in_front


def _spans(edge: Tensor, row: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """First column and number of columns (R,) between the edges (R, 3, 3) that each row (R,) meets."""
    slope = edge[..., 0]
    cross = -(edge[..., 1] * row.unsqueeze(1) + edge[..., 2]) / slope
    left = cross.masked_fill(slope <= 0, -1).amax(dim=1)
    right = cross.masked_fill(slope >= 0, size).amin(dim=1)
    first = (left - _OVERLAP).ceil().clamp(0, size).long()
    last = (right + _OVERLAP).floor().clamp(-1, size - 1).long()
    return first, (last - first + 1).clamp(min=0)


def _places(counts: Tensor) -> Tensor:
    """0, 1, .. n - 1 for each count n, one after another."""
    starts = counts.cumsum(0) - counts
    return torch.arange(int(counts.sum()), device=counts.device) - starts.repeat_interleave(counts)
