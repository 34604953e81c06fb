"""Drive many targets with many motions at once, in torch on any device: the twin of `mesh_warp`.

    warp = MeshWarp(targets).to(device)
    clips = warp.render(target_index, motion, head, views)

Everything but the landmarks is a buffer that is made once for each target, so a batch costs a matrix product, a few
look-ups on a 64x64 grid and four look-ups of full pictures.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from training.generators.fields import FIELD_CELLS, FIELD_ORIGIN, FIELD_SPAN, displacement_operator
from training.generators.geometry import SLOPE_RANGE, SOLVER_STEPS
from training.generators.layered_warp import Canvas, LayeredWarp
from training.generators.targets import TargetSet
from training.generators.views import FRAME_PX, ClipViews, random_views, usual_views

__all__ = ["FRAME_PX", "ClipViews", "MeshWarp", "random_views", "usual_views"]


class MeshWarp(LayeredWarp):
    """Smooth local motion: each target has displacement fields, linear in the landmarks, which are inverted."""

    def __init__(self, targets: TargetSet) -> None:
        super().__init__(targets)
        operators = np.stack([displacement_operator(shape) for shape in targets.landmarks])
        self.operator: Tensor
        self.register_buffer("operator", torch.from_numpy(operators.reshape(len(targets), -1, operators.shape[-1])))

    def skin_sources(self, target_index: Tensor, moved: Tensor, canvas: Canvas) -> tuple[Tensor, Tensor]:
        """See `LayeredWarp`."""
        upper, lower = (
            canvas.at_pixels(_solve(canvas.still, field.flatten(0, 1))) for field in self._fields(target_index, moved)
        )
        return upper, lower

    def _fields(self, target_index: Tensor, moved: Tensor) -> list[Tensor]:
        """Upper and lower field with slopes, each (B, T, 4, 64, 64)."""
        batch, frames = moved.shape[:2]
        flat = moved.permute(0, 2, 1, 3).reshape(batch, moved.shape[2], frames * 2)
        shift = torch.bmm(self.operator[target_index], flat)
        shift = shift.view(batch, 2, FIELD_CELLS, FIELD_CELLS, frames, 2).permute(1, 0, 4, 5, 2, 3)
        return [_with_slopes(field) for field in shift]


def _with_slopes(field: Tensor) -> Tensor:
    """Displacement (B, T, 2, 64, 64) -> with dx/dx and dy/dy, (B, T, 4, 64, 64)."""
    cell = FIELD_SPAN / FIELD_CELLS
    slope_x = torch.gradient(field[:, :, 0], spacing=cell, dim=-1)[0]
    slope_y = torch.gradient(field[:, :, 1], spacing=cell, dim=-2)[0]
    return torch.cat([field, slope_x.unsqueeze(2), slope_y.unsqueeze(2)], dim=2)


def _solve(still: Tensor, field: Tensor) -> Tensor:
    """Points x (N, g, g, 2) with x + field(x) = still."""
    origin = torch.tensor(FIELD_ORIGIN, device=still.device)
    source = still
    for _ in range(SOLVER_STEPS):
        at = (source - origin) * (2 / FIELD_SPAN) - 1
        sample = functional.grid_sample(field, at, padding_mode="border", align_corners=False).permute(0, 2, 3, 1)
        step = 1 / (1 + sample[..., 2:].clamp(*SLOPE_RANGE))
        source = source + step * (still - source - sample[..., :2])
    return source
