"""What a person model learns from (section 2.3 of the seed systems): L = Pix + 1.5 Sym + 5 SSIM.

The perceptual term, 0.01 of it, needs a pre-trained VGG19 and is left out. All faces are in normalised units.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from training.person_models.network import Redrawn

SYMMETRY_WEIGHT = 1.5
SSIM_WEIGHT = 5.0
_PIXEL_MOVE_WEIGHT = 1.5
_PIXEL_NEUTRAL_WEIGHT = 0.5

_WINDOW, _SIGMA = 11, 1.5
"""Of SSIM (Wang et al., 2004), which the publication does not restate."""
_RANGE = 4.0
"""Black to white in normalised units: 1 / 0.25."""
_C1, _C2 = (0.01 * _RANGE) ** 2, (0.03 * _RANGE) ** 2


def ssim(first: Tensor, second: Tensor) -> Tensor:
    """Structural similarity of each picture, (n,), of two stacks of squares (n, C, H, H): 1 where they are equal."""
    blur = _blur(first.shape[-1]).to(first)
    # As two products of matrices: on CPUs a depthwise convolution costs more than the whole network.
    stack = torch.stack([first, second, first * first, second * second, first * second])
    mean_1, mean_2, square_1, square_2, product = (blur @ stack @ blur.T).unbind(0)
    variance_1, variance_2, covariance = square_1 - mean_1**2, square_2 - mean_2**2, product - mean_1 * mean_2
    likeness = ((2 * mean_1 * mean_2 + _C1) * (2 * covariance + _C2)) / (
        (mean_1**2 + mean_2**2 + _C1) * (variance_1 + variance_2 + _C2)
    )
    return likeness.mean(dim=(1, 2, 3))


@cache
def _blur(side: int) -> Tensor:
    """The Gaussian window as a matrix (side, side) over one axis of a picture that is black outside."""
    places = torch.arange(side, dtype=torch.float32)
    apart = places[:, None] - places
    weights = torch.exp(-(apart**2) / (2 * _SIGMA**2)).masked_fill(apart.abs() > _WINDOW // 2, 0.0)
    return weights / weights[side // 2].sum()


def redrawing_error(drawn: Tensor, face: Tensor) -> Tensor:
    """How far each drawn face is from what it should be, (n,): mean absolute error + 5 (1 - SSIM), as in the loss."""
    return (drawn - face).abs().mean(dim=(1, 2, 3)) + SSIM_WEIGHT * (1 - ssim(drawn, face))


def person_losses(drawn: Redrawn) -> dict[str, Tensor]:
    """The weighted terms of a batch of pairs; their sum is what is learnt from."""
    face = drawn.face
    pixels = (
        _distance(drawn.swapped, face)
        + _distance(drawn.itself, face)
        + _distance(drawn.warped_swapped, face)
        + _PIXEL_MOVE_WEIGHT * _distance(drawn.pixel_swapped, face)
    )
    unlike = (
        (1 - ssim(drawn.swapped, face)).mean()
        + (1 - ssim(drawn.itself, face)).mean()
        + _PIXEL_MOVE_WEIGHT * (1 - ssim(drawn.pixel_swapped, face)).mean()
    )
    lopsided = _asymmetry(drawn.neutral) + _PIXEL_NEUTRAL_WEIGHT * _asymmetry(drawn.pixel_neutral)
    return {"pixels": pixels, "symmetry": SYMMETRY_WEIGHT * lopsided, "ssim": SSIM_WEIGHT * unlike}


def _distance(drawn: Tensor, face: Tensor) -> Tensor:
    return functional.l1_loss(drawn, face)


def _asymmetry(face: Tensor) -> Tensor:
    return functional.l1_loss(face, face.flip(3))
