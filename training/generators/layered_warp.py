"""What all warps of a photograph share, batched in torch: cut targets, undone head motion, layers put together.

One warp differs from another only in `skin_sources`: where on the target the skin at a point of a picture comes from.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from training.drivers.face_basis import jaw_drop
from training.generators.fields import inner_operator, lid_gains
from training.generators.geometry import (
    HEAD_CENTRE,
    HEAD_FADE,
    HEAD_RADII,
    HEAD_SHIFT_LIMIT,
    NOTHING,
    SIDE_WIDTH,
)
from training.generators.layers import FaceLayers, cut_layers
from training.generators.targets import CANONICAL_VIEW, TARGET_SIZE_PX, TargetSet
from training.generators.views import FRAME_PX, ClipViews

COARSE = 64
"""Points along each side of the grid on which smooth motion is found before it is brought to every pixel."""


@dataclass(frozen=True, slots=True)
class Canvas:
    """The pictures of a batch before anything is painted; all points in face units.

    coarse: (B, 64, 64, 2) and fine: (B, 128, 128, 2), points of each clip's crop. follows: (B, 64, 64, 1), share of the
    head's motion that the coarse points take part in. still: (B * T, 64, 64, 2), where they lie in each frame for a
    head that does not move.
    """

    coarse: Tensor
    fine: Tensor
    follows: Tensor
    still: Tensor

    def per_frame(self, clip: Tensor) -> Tensor:
        """One value for each clip (B, ...) -> one for each frame (B * T, ...)."""
        return clip.repeat_interleave(self.still.shape[0] // clip.shape[0], dim=0)

    def at_pixels(self, points: Tensor) -> Tensor:
        """Source points (B * T, 64, 64, 2) of the coarse points -> those of all pixels, (B * T, 128, 128, 2)."""
        return _upsampled(points - self.per_frame(self.coarse)) + self.per_frame(self.fine)


class LayeredWarp(nn.Module, ABC):
    """A set of targets ready to be driven; buffers only, nothing to train."""

    def __init__(self, targets: TargetSet) -> None:
        super().__init__()
        layers = [cut_layers(targets.images[i], targets.landmarks[i], CANONICAL_VIEW) for i in range(len(targets))]
        self.layers: Tensor
        self.gains: Tensor
        self.inner: Tensor
        self.jaw: Tensor
        self.register_buffer("layers", torch.from_numpy(np.stack([_packed(layer) for layer in layers])))
        self.register_buffer("gains", torch.from_numpy(np.stack([lid_gains(shape) for shape in targets.landmarks])))
        self.register_buffer("inner", torch.from_numpy(inner_operator()))
        self.register_buffer("jaw", torch.from_numpy(jaw_drop()))

    @abstractmethod
    def skin_sources(self, target_index: Tensor, moved: Tensor, canvas: Canvas) -> tuple[Tensor, Tensor]:
        """Where skin above and below the slits comes from: points (B * T, 128, 128, 2) of the target, face units.

        moved: landmark motion of the targets (B, T, 95, 2), lids as far as their eyes open.
        """

    @torch.no_grad()
    def render(self, target_index: Tensor, motion: Tensor, head: Tensor, views: ClipViews) -> Tensor:
        """Targets (B,) moved by landmark motion (B, T, 95, 2) and head motion (B, T, 4): float (B, T, 128, 128).

        Full-range luma, 0-255, not rounded. Peak memory is some megabytes for each frame of the batch; cut big batches.
        """
        batch, frames = motion.shape[:2]
        opened = motion + views.rest_opening.view(-1, 1, 1, 1) * self.jaw
        moved = opened * self.gains[target_index].unsqueeze(1)
        canvas = _canvas(views, head)
        upper, lower = self.skin_sources(target_index, moved, canvas)
        shifts = torch.einsum("kl,btlc->btkc", self.inner, moved).flatten(0, 1)
        inner = canvas.at_pixels(canvas.still - _inner_shift(canvas.still, shifts))
        lookups = [_canonical(points) for points in (upper, lower, inner)]
        layers = self.layers[target_index].float()
        return _composed(layers, lookups, frames).view(batch, frames, FRAME_PX, FRAME_PX)


def _packed(layers: FaceLayers) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """uint8 (5, 224, 224): image, inner, upper, lower, inner place; masks times 255."""
    masks = np.stack([layers.upper, layers.lower, layers.inner_place])
    return np.concatenate([np.stack([layers.image, layers.inner]), np.round(masks * 255).astype(np.uint8)])


def _smoothstep(value: Tensor) -> Tensor:
    ramp = ((value + 1) / 2).clamp(0, 1)
    return ramp * ramp * (3 - 2 * ramp)


def _canvas(views: ClipViews, head: Tensor) -> Canvas:
    coarse = views.grid(COARSE)
    centre = torch.tensor(HEAD_CENTRE, device=coarse.device)
    radii = torch.tensor(HEAD_RADII, device=coarse.device)
    radius = ((coarse - centre) / radii).norm(dim=-1, keepdim=True)
    follows = _smoothstep(1 - 2 * (radius - 1) / HEAD_FADE)
    follows = follows + views.background.view(-1, 1, 1, 1) * (1 - follows)
    return Canvas(coarse, views.grid(FRAME_PX), follows, _stilled(coarse, head, follows).flatten(0, 1))


def _stilled(coarse: Tensor, head: Tensor, follows: Tensor) -> Tensor:
    """Where the coarse points (B, g, g, 2) lie for a head that does not move, (B, T, g, g, 2)."""
    parts = head.view(*head.shape[:2], 1, 1, 4)
    shift = HEAD_SHIFT_LIMIT * torch.tanh(parts[..., :2] / HEAD_SHIFT_LIMIT)
    centred = (coarse.unsqueeze(1) - shift) / parts[..., 2:3]
    cos, sin = torch.cos(parts[..., 3]), torch.sin(parts[..., 3])
    turned = torch.stack(
        [centred[..., 0] * cos + centred[..., 1] * sin, centred[..., 1] * cos - centred[..., 0] * sin], dim=-1
    )
    return torch.lerp(coarse.unsqueeze(1), turned, follows.unsqueeze(1))


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
