"""STATIC: the control that sees one frame, and so shows what appearance alone would give."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.models.f5c import F5C, FEATURE_CHANNELS
from training.models.streaming import POOLED_SIZE, EmbeddingLayers, Positions, StreamingConfig, pool_slices

_HIDDEN_CHANNELS = 184
"""Makes the head as large as the temporal one (within 5 %), so that the control cannot be called too small."""


class StaticNet(nn.Module):
    """STATIC (the control of arXiv 2604.23247): only the middle frame, through the same backbone and a 2-D head.

    On pairs that share the target face it must stay at chance; what it gains there is appearance that leaks.
    """

    def __init__(self, config: StreamingConfig | None = None) -> None:
        super().__init__()
        self.config = config or StreamingConfig()
        self.backbone = F5C()
        self.head = nn.Sequential(
            nn.Conv2d(FEATURE_CHANNELS, _HIDDEN_CHANNELS, 3, stride=(1, 2), padding=1),
            nn.BatchNorm2d(_HIDDEN_CHANNELS),
            nn.ReLU(inplace=True),
            nn.Conv2d(_HIDDEN_CHANNELS, 32, 3, stride=(1, 2), padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(inplace=True),
        )
        self.embedding = EmbeddingLayers(self.config, POOLED_SIZE)

    def forward(self, frames: Tensor) -> Tensor:
        """frames: (n, T, 128, 128), 0-255, any T >= 1. Returns float32 (n, embedding_size), L2-normalised."""
        middle = frames[:, frames.shape[1] // 2].float()
        luma = (middle / 255 - self.config.pixel_mean) / self.config.pixel_std
        values = pool_slices(self.head(self.backbone(luma[:, None]))).float()[:, None]
        one = torch.ones(values.shape[:2], dtype=torch.bool, device=values.device)
        embedding: Tensor = self.embedding(Positions(values, one).moments())
        return embedding
