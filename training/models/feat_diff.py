"""FEAT_DIFF as published (Chapariniya et al., arXiv 2604.23247, as released): a whole clip to one embedding.

Kept to the letter so that reference outputs can be reproduced; what ships is `training.models.streaming`. Left out is
only CCC's declared linear layer, which the published forward pass never calls.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from training.models.f5c import F5C, FEATURE_CHANNELS

PUBLISHED_TAPS = 32
"""Stored length of the circular kernels and positions, of which the first 16 are used."""

_STD_FLOOR = 1e-6


@dataclass(frozen=True, slots=True)
class Stages:
    """Intermediate results of one frame: float32 (n, 128, 16, 16) each."""

    stem: Tensor
    fcc: Tensor
    features: Tensor


class TemporalHead(nn.Module):
    """Differences (n, 128, 16, 16, time) to L2-normalised embeddings (n, 256); pads time by 1 (2.6)."""

    def __init__(self, embedding_size: int = 256) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv3d(FEATURE_CHANNELS, 64, 3, stride=(1, 2, 1), padding=1),
            nn.BatchNorm3d(64),
            nn.ReLU(inplace=True),
            nn.Conv3d(64, 32, 3, stride=(1, 2, 1), padding=1),
            nn.BatchNorm3d(32),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool3d((4, 4, 1)),
        )
        self.fc = nn.Sequential(
            nn.Linear(512, 256), nn.ReLU(inplace=True), nn.Dropout(0.3), nn.Linear(256, embedding_size)
        )

    def forward(self, differences: Tensor) -> Tensor:
        return nn.functional.normalize(self.fc(self.net(differences).flatten(1)), dim=1)


class FeatDiff(nn.Module):
    """The published network."""

    def __init__(self, embedding_size: int = 256) -> None:
        super().__init__()
        self.backbone = F5C(taps=PUBLISHED_TAPS)
        self.head = TemporalHead(embedding_size)

    def forward(self, frames: Tensor) -> Tensor:
        """frames: (n, T, 128, 128), full-range luma 0-255, any dtype, T >= 2. Returns float32 (n, embedding_size)."""
        embedding: Tensor = self.head(maps_over_time(self.backbone, standardise(frames)).diff(dim=-1))
        return embedding

    def stages(self, luma: Tensor) -> Stages:
        """What each part of the backbone makes of standardised frames (n, 128, 128)."""
        stem = self.backbone.conv_stack(luma[:, None])
        return Stages(stem=stem, fcc=self.backbone.fcc(stem), features=self.backbone(luma[:, None]))


def maps_over_time(backbone: nn.Module, pictures: Tensor) -> Tensor:
    """Pictures (n, T, 128, 128) to maps (n, 128, 16, 16, T), one time step after the other.

    So published (2.7): in training, BatchNorm normalises each time step by its own mean and deviation over the batch.
    All frames at once would be another network to train.
    """
    return torch.stack([backbone(step[:, None]) for step in pictures.unbind(1)], dim=-1)


def standardise(frames: Tensor) -> Tensor:
    """Each clip of (n, T, 128, 128), 0-255, to mean 0 and deviation 1 over all its pixels (n - 1, 2.1): float32."""
    luma = frames.float() / 255
    mean = luma.mean(dim=(1, 2, 3), keepdim=True)
    std = torch.std(luma, dim=(1, 2, 3), keepdim=True, correction=1)
    return (luma - mean) / (std + _STD_FLOOR)
