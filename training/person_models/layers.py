"""Layers that encoder, flow decoder and generator share (PSM, arXiv 2211.08279, as released; no normalisation layers).

Where the source is silent: a residual block adds before its last activation.
"""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional

SLOPE = 0.1
"""Of every LeakyReLU."""


def activation() -> nn.Module:
    """What follows every layer but the last of a network."""
    return nn.LeakyReLU(SLOPE)


def conv(inputs: int, outputs: int, size: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution that keeps the map's size (over the stride), then the activation."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, size, stride, padding=size // 2), activation())


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = conv(channels, channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, maps: Tensor) -> Tensor:
        """maps: (n, C, H, W); the same shape comes back."""
        return functional.leaky_relu(maps + self.second(self.first(maps)), SLOPE)


class ChannelAttention(nn.Module):
    """Mixes channels by how alike they are: S = phi(x) theta(x)^T, C x C, with theta a softmax over positions.

    Output: LeakyReLU(x + S softmax_channels(g(x))).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.g, self.theta, self.phi = (nn.Conv2d(channels, channels, 1) for _ in range(3))

    def forward(self, maps: Tensor) -> Tensor:
        """maps: (n, C, H, W); the same shape comes back."""
        theta = self.theta(maps).flatten(2).softmax(dim=2)
        alike = self.phi(maps).flatten(2) @ theta.transpose(1, 2)
        mixed = alike @ self.g(maps).flatten(2).softmax(dim=1)
        return functional.leaky_relu(maps + mixed.view_as(maps), SLOPE)


def initialise(network: nn.Module) -> None:
    """As released: convolutions normal with variance 2 / (k x k x outputs), linear layers deviation 0.01, no bias."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0, math.sqrt(2 / (math.prod(layer.kernel_size) * layer.out_channels)))
        elif isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, 0, 0.01)
        else:
            continue
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def scaled(channels: int, width: float) -> int:
    """Channels at a width; the published width is 1."""
    return max(1, round(channels * width))
