"""FEAT_DIFF with a ResNet18 for its backbone: what the F5C block is worth, and nothing else.

The published comparison also swapped the head, the batch and the pooling: it averaged differences over time, which
leaves only (last - first) / (T - 1) of them (trap 4). Here everything behind the encoder is that of FEAT_DIFF.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.models.f5c import FEATURE_CHANNELS, MAP_SIZE
from training.models.feat_diff import TemporalHead, maps_over_time, standardise


class ResNet18Diff(nn.Module):
    """Differences of consecutive ResNet18 maps through the published temporal head."""

    def __init__(self, embedding_size: int = 256) -> None:
        super().__init__()
        self.backbone = nn.Sequential(
            ResNet18(),
            nn.Conv2d(512, FEATURE_CHANNELS, 1),
            nn.Upsample((MAP_SIZE, MAP_SIZE), mode="bilinear", align_corners=False),
        )
        self.head = TemporalHead(embedding_size)

    def forward(self, frames: Tensor) -> Tensor:
        """frames: (n, T, 128, 128), 0-255, T >= 2. Returns float32 (n, embedding_size), L2-normalised."""
        # Single precision under autocast too, as F5C: the differences are small beside the maps.
        with torch.autocast(frames.device.type, enabled=False):
            maps = maps_over_time(self.backbone, standardise(frames))
        embedding: Tensor = self.head(maps.diff(dim=-1))
        return embedding


class ResNet18(nn.Sequential):
    """He et al. (CVPR 2016), table 1, for gray pictures and without classifier: (n, 1, 128, 128) to (n, 512, 4, 4)."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=1),
            ResidualBlock(64, 64, 1),
            ResidualBlock(64, 64, 1),
            ResidualBlock(64, 128, 2),
            ResidualBlock(128, 128, 1),
            ResidualBlock(128, 256, 2),
            ResidualBlock(256, 256, 1),
            ResidualBlock(256, 512, 2),
            ResidualBlock(512, 512, 1),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut, which is a 1x1 convolution where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, maps: Tensor) -> Tensor:
        return torch.relu(self.residual(maps) + self.shortcut(maps))
