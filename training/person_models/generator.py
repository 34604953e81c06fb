"""Draws a face again, moved by a flow or as it is (PSM, section 2.1 of the seed systems).

The published generator begins with layers of a pre-trained VGG19, whose weights carry terms of their own. Here a stem
of the same five convolutions is trained with the rest, and the perceptual loss, which needs that VGG19, is left out.
Where the source is silent: noise is drawn in training alone, so that a face always scores the same.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.person_models.flow import warped
from training.person_models.layers import ResidualBlock, activation, conv, initialise, scaled

RESIDUAL_BLOCKS = 8


class _Stem(nn.Module):
    """conv1_1 to conv3_1 of VGG19 in shape: features of half and of a quarter of the picture's side."""

    def __init__(self, channels: int, width: float) -> None:
        super().__init__()
        c64, c128, c256 = (scaled(count, width) for count in (64, 128, 256))
        self.to_half = nn.Sequential(
            _plain(channels, c64), _plain(c64, c64), nn.MaxPool2d(2), nn.Conv2d(c64, c128, 3, padding=1)
        )
        self.to_quarter = nn.Sequential(
            nn.ReLU(), _plain(c128, c128), nn.MaxPool2d(2), nn.Conv2d(c128, c256, 3, padding=1)
        )

    def forward(self, faces: Tensor) -> tuple[Tensor, Tensor]:
        half = self.to_half(faces)
        return half, self.to_quarter(half)


def _plain(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU())


class _NoiseResidual(nn.Module):
    """Noise around a feature's global average, through two convolutions: what a warp leaves open."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(conv(channels, channels), nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, features: Tensor) -> Tensor:
        average = features.mean(dim=(2, 3), keepdim=True).expand_as(features)
        residual: Tensor = self.layers(average + torch.randn_like(features) if self.training else average)
        return residual


class FaceGenerator(nn.Module):
    """Faces (n, channels, 64, 64) to faces of the same shape.

    13,409,475 parameters at width 1 with 3 channels, 555,328 of them in the stem.
    """

    def __init__(self, channels: int, width: float, residual_blocks: int = RESIDUAL_BLOCKS) -> None:
        super().__init__()
        c128, c256 = (scaled(count, width) for count in (128, 256))
        self.stem = _Stem(channels, width)
        self.half_residual, self.quarter_residual = _NoiseResidual(c128), _NoiseResidual(c256)
        self.at_quarter = nn.Sequential(conv(c256, c256), *(ResidualBlock(c256) for _ in range(residual_blocks)))
        self.to_half = _doubling(c256, c128)
        self.to_whole = nn.Sequential(_doubling(2 * c128, c128), nn.Conv2d(c128, channels, 3, padding=1))
        initialise(self)

    def forward(self, faces: Tensor, flow: Tensor | None = None) -> Tensor:
        """flow: (n, 2, 16, 16); None = the face as it is."""
        half, quarter = self.stem(faces)
        if flow is not None:
            half = warped(half, flow) + self.half_residual(half)
            quarter = warped(quarter, flow) + self.quarter_residual(quarter)
        up = self.to_half(self.at_quarter(quarter))
        drawn: Tensor = self.to_whole(torch.cat([up, half], dim=1))
        return drawn


def _doubling(inputs: int, outputs: int) -> nn.Sequential:
    up = nn.Sequential(nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1), activation())
    return nn.Sequential(up, conv(outputs, outputs))
