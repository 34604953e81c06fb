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
    first, rows = _rows(corners, size)
    owner, row = _runs(first, rows)
    column, pixels = _spans(_edges(corners)[owner], row, size)
    frame = torch.div(owner, each, rounding_mode="floor")
    run, place = _runs((frame * size + row) * size + column, pixels)
    seen = torch.full((count * size * size,), each - 1, device=corners.device)
    seen.scatter_reduce_(0, place, (owner - frame * each)[run], "amin")
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


def _runs(starts: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """All numbers start, start + 1, .. start + count - 1 of some runs (R,), one after another, and whose they are."""
    run = torch.repeat_interleave(counts)
    before = counts.cumsum(0) - counts
    return run, torch.arange(len(run), device=run.device) + (starts - before)[run]
