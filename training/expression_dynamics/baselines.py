"""Baselines of arXiv 2510.11223's kind, a recurrent and a convolutional network: their sizes are our own choice."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.expression_dynamics.conformer import AttentiveMoments, join_rows

_WIDTH, _EMBEDDING, _PROJECTION, _DROPOUT = 64, 256, 128, 0.2
_JOINED = 4
"""Rows that enter as one position, as in the Conformer beside them."""
_DILATIONS = (1, 2, 4, 8)
_KERNEL = 3


class _Pooled(nn.Module):
    """Rows over time (B, T, W) to embeddings and projections, as `Conformer` gives them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.pool = AttentiveMoments(width, logarithm=True)
        self.embedding = nn.Linear(2 * width, _EMBEDDING)
        self.projector = nn.Sequential(nn.Linear(_EMBEDDING, _EMBEDDING), nn.ReLU(), nn.Linear(_EMBEDDING, _PROJECTION))

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        embedding: Tensor = self.embedding(self.pool(rows))
        return embedding, functional.normalize(self.projector(embedding), dim=1)


class BiLstm(nn.Module):
    """Two layers of LSTM in both directions over series (B, T, C)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.recurrent = nn.LSTM(
            _JOINED * channels, _WIDTH, num_layers=2, batch_first=True, bidirectional=True, dropout=_DROPOUT
        )
        self.pooled = _Pooled(2 * _WIDTH)

    def forward(self, series: Tensor) -> tuple[Tensor, Tensor]:
        found: tuple[Tensor, Tensor] = self.pooled(self.recurrent(join_rows(series, _JOINED))[0])
        return found


class Tcn(nn.Module):
    """Residual convolutions over time with growing dilation (Bai et al., 2018), not causal, over series (B, T, C)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.enter = nn.Linear(_JOINED * channels, _WIDTH)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(_WIDTH, _WIDTH, _KERNEL, padding=dilation, dilation=dilation),
                nn.BatchNorm1d(_WIDTH),
                nn.ReLU(),
                nn.Dropout(_DROPOUT),
                nn.Conv1d(_WIDTH, _WIDTH, _KERNEL, padding=dilation, dilation=dilation),
                nn.BatchNorm1d(_WIDTH),
            )
            for dilation in _DILATIONS
        )
        self.pooled = _Pooled(_WIDTH)

    def forward(self, series: Tensor) -> tuple[Tensor, Tensor]:
        rows = self.enter(join_rows(series, _JOINED)).transpose(1, 2)
        for block in self.blocks:
            rows = torch.relu(rows + block(rows))
        found: tuple[Tensor, Tensor] = self.pooled(rows.transpose(1, 2))
        return found
