"""PIXEL_DIFF (arXiv 2604.23247): the published network on differences of frames instead of differences of maps."""

from __future__ import annotations

from torch import Tensor, nn

from training.models.f5c import F5C
from training.models.feat_diff import PUBLISHED_TAPS, TemporalHead, maps_over_time, standardise


class PixelDiff(nn.Module):
    """Backbone and head of FEAT_DIFF; what goes through the backbone is what changed from frame to frame."""

    def __init__(self, embedding_size: int = 256) -> None:
        super().__init__()
        self.backbone = F5C(taps=PUBLISHED_TAPS)
        self.head = TemporalHead(embedding_size)

    def forward(self, frames: Tensor) -> Tensor:
        """frames: (n, T, 128, 128), 0-255, T >= 2. Returns float32 (n, embedding_size), L2-normalised."""
        embedding: Tensor = self.head(maps_over_time(self.backbone, self.differences(frames)))
        return embedding

    @staticmethod
    def differences(frames: Tensor) -> Tensor:
        """Consecutive differences of the standardised clip: float32 (n, T - 1, 128, 128)."""
        return standardise(frames).diff(dim=1)
