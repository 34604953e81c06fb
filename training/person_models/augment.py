"""Small changes that a camera makes, drawn for each face of a pair on its own (section 2.3 of the seed systems).

Of the published colour jitter brightness and contrast are left, as faces are luma. Faces are turned round left to right
only where asked: that erases which side of a face moves more, which is a mark of a person.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_SIZES = (0.95, 1.05)
"""Area of the cut and its aspect ratio, both drawn from here."""
_JITTER = 0.05
_JITTER_SHARE = 0.8


def augmented(faces: Tensor, random: torch.Generator, *, flip: bool) -> Tensor:
    """faces: float (n, 1, H, W), 0-1; the same shape comes back."""
    cut = _cut(faces, random)
    if flip:
        turned = _draw(faces, random, 0, 1) < 0.5
        cut = torch.where(turned, cut.flip(3), cut)
    jittered = _draw(faces, random, 0, 1) < _JITTER_SHARE
    gain, contrast = (_draw(faces, random, 1 - _JITTER, 1 + _JITTER) for _ in range(2))
    average = cut.mean(dim=(2, 3), keepdim=True)
    changed = ((cut - average) * contrast + average) * gain
    return torch.where(jittered, changed, cut).clamp(0, 1)


def _cut(faces: Tensor, random: torch.Generator) -> Tensor:
    """A cut of nearly the whole picture, back at its size; where it is larger, edges are repeated."""
    area, aspect = (_draw(faces, random, *_SIZES)[:, 0, 0, 0] for _ in range(2))
    width, height = (area * aspect).sqrt(), (area / aspect).sqrt()
    move = torch.zeros(len(faces), 2, 3)
    for axis, side in enumerate((width, height)):
        move[:, axis, axis] = side
        move[:, axis, 2] = (1 - side).abs() * _draw(faces, random, -1, 1)[:, 0, 0, 0]
    grid = functional.affine_grid(move, list(faces.shape), align_corners=False)
    return functional.grid_sample(faces, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _draw(faces: Tensor, random: torch.Generator, low: float, high: float) -> Tensor:
    """One number a face, (n, 1, 1, 1)."""
    return (low + (high - low) * torch.rand(len(faces), generator=random)).view(-1, 1, 1, 1)
