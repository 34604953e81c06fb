"""RAW_FEAT (arXiv 2604.23247): the published network without the subtraction."""

from __future__ import annotations

from torch import Tensor, nn

from training.models.f5c import F5C
from training.models.feat_diff import PUBLISHED_TAPS, TemporalHead, maps_over_time, standardise


class RawFeat(nn.Module):
    """Backbone and head of FEAT_DIFF; the head sees the maps themselves, appearance and all."""

    def __init__(self, embedding_size: int = 256) -> None:
        super().__init__()
        self.backbone = F5C(taps=PUBLISHED_TAPS)
        self.head = TemporalHead(embedding_size)

    def forward(self, frames: Tensor) -> Tensor:
        """frames: (n, T, 128, 128), 0-255, T >= 1. Returns float32 (n, embedding_size), L2-normalised."""
        embedding: Tensor = self.head(maps_over_time(self.backbone, standardise(frames)))
        return embedding
