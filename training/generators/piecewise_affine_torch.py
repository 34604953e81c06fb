"""Piecewise-affine warp, batched in torch: every triangle between landmarks is stretched on its own.

Its pictures have creases where triangles meet, and the background is pulled along like a rubber sheet up to the border.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from training.generators.layered_warp import Canvas, LayeredWarp
from training.generators.lid_bands import band_operator
from training.generators.scan_conversion import visible_triangles
from training.generators.targets import CANONICAL_VIEW, TARGET_SIZE_PX, TargetSet
from training.generators.triangulation import triangulate

_SMALLEST_AREA = 1e-6
"""Square face units; a triangle so thin covers no pixel, and its map back is only kept finite."""


class PiecewiseAffineWarp(LayeredWarp):
    """Backward warp: each pixel takes the place at rest of its barycentric coordinates in the moved triangle there."""

    def __init__(self, targets: TargetSet) -> None:
        super().__init__(targets)
        meshes = [mesh for shape in targets.landmarks for mesh in triangulate(shape)]
        most = max(len(mesh.rest) for mesh in meshes)
        self.bands: Tensor
        self.rest: Tensor
        self.moves: Tensor
        rest = np.stack([np.resize(mesh.rest, (most, 3, 2)) for mesh in meshes])
        moves = np.stack([np.resize(mesh.moves, (most, 3)) for mesh in meshes])
        self.register_buffer("bands", torch.from_numpy(band_operator()))
        self.register_buffer("rest", torch.from_numpy(rest).view(len(targets), 2, most, 3, 2))
        self.register_buffer("moves", torch.from_numpy(moves).view(len(targets), 2, most, 3))

    def skin_sources(self, target_index: Tensor, moved: Tensor, canvas: Canvas) -> tuple[Tensor, Tensor]:
        """See `LayeredWarp`."""
        with_anchors = functional.pad(self.bands @ moved.flatten(0, 1), (0, 0, 0, 1))
        frame = torch.arange(len(with_anchors), device=moved.device).view(-1, 1, 1)
        goal = canvas.at_pixels(canvas.still)
        sources = []
        for mesh in range(2):
            rest = canvas.per_frame(self.rest[target_index, mesh])
            triangles = rest + with_anchors[frame, canvas.per_frame(self.moves[target_index, mesh])]
            seen = visible_triangles(_canonical_px(triangles), TARGET_SIZE_PX)
            place = _canonical_px(goal).round().long().clamp(0, TARGET_SIZE_PX - 1)
            at = seen[frame, place[..., 1], place[..., 0]]
            by_x, by_y, start = inverse_maps(rest, triangles)[frame, at].split(2, dim=-1)
            sources.append(by_x * goal[..., :1] + by_y * goal[..., 1:] + start)
        return sources[0], sources[1]


def inverse_maps(rest: Tensor, moved: Tensor) -> Tensor:
    """Maps that take moved triangles (N, K, 3, 2) back to resting ones: (N, K, 6), what x, y and 1 add to (x, y)."""
    across, along = (moved[..., place, :] - moved[..., 0, :] for place in (1, 2))
    rest_across, rest_along = (rest[..., place, :] - rest[..., 0, :] for place in (1, 2))
    area = (across[..., :1] * along[..., 1:] - across[..., 1:] * along[..., :1]).clamp(min=_SMALLEST_AREA)
    by_x = (rest_across * along[..., 1:] - rest_along * across[..., 1:]) / area
    by_y = (rest_along * across[..., :1] - rest_across * along[..., :1]) / area
    start = rest[..., 0, :] - by_x * moved[..., 0, :1] - by_y * moved[..., 0, 1:]
    return torch.cat([by_x, by_y, start], dim=-1)


def _canonical_px(points: Tensor) -> Tensor:
    """Face units -> pixels of the canonical picture, the centre of the first one being (0, 0)."""
    corner = torch.tensor([CANONICAL_VIEW.left, CANONICAL_VIEW.top], device=points.device)
    return (points - corner) * CANONICAL_VIEW.unit_px - 0.5
