"""The Conformer over coefficient series: convolution and attention in turn (Gulati et al., Interspeech 2020).

arXiv 2510.11223 says that its encoder is a Conformer trained by supervised contrast, and nothing of its size: depth,
width, heads, kernel, pooling and projector are our own choices throughout.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

_FLOOR = 1e-4


@dataclass(frozen=True, slots=True)
class ConformerConfig:
    """Size of an encoder; as it is, that of seed_systems.md 1.2.

    channels: of the series. joined: rows that enter side by side as one position, since attention costs the square of
    the length (in place of the strided convolutions of Gulati et al.). kernel: of the depthwise convolution, in
    positions, odd. log_deviation: deviations are pooled as logarithms, so that twice as far weighs as much as half
    as far. embedding_size: pooled, before the projector, which only the contrast
    sees.
    """

    channels: int
    joined: int = 1
    width: int = 256
    blocks: int = 4
    heads: int = 4
    kernel: int = 31
    expansion: int = 4
    dropout: float = 0.1
    log_deviation: bool = False
    embedding_size: int = 256
    projection_size: int = 128


class Conformer(nn.Module):
    """Series (B, T, C), standardised, to embeddings (B, D) and their projections (B, P), the latter L2-normalised."""

    def __init__(self, config: ConformerConfig) -> None:
        super().__init__()
        self.config = config
        self.enter = nn.Linear(config.joined * config.channels, config.width)
        self.blocks = nn.ModuleList(ConformerBlock(config) for _ in range(config.blocks))
        self.pool = AttentiveMoments(config.width, config.log_deviation)
        self.embedding = nn.Linear(2 * config.width, config.embedding_size)
        self.projector = nn.Sequential(
            nn.Linear(config.embedding_size, config.embedding_size),
            nn.ReLU(),
            nn.Linear(config.embedding_size, config.projection_size),
        )

    def forward(self, series: Tensor) -> tuple[Tensor, Tensor]:
        rows: Tensor = self.enter(join_rows(series, self.config.joined))
        for block in self.blocks:
            rows = block(rows)
        embedding: Tensor = self.embedding(self.pool(rows))
        return embedding, functional.normalize(self.projector(embedding), dim=1)


class ConformerBlock(nn.Module):
    """Half a feed-forward step, attention, convolution, half a feed-forward step, LayerNorm (Gulati et al., Eq. 1)."""

    def __init__(self, config: ConformerConfig) -> None:
        super().__init__()
        self.first = _feed_forward(config)
        self.attention = RelativeAttention(config)
        self.convolution = ConvolutionModule(config)
        self.second = _feed_forward(config)
        self.norm = nn.LayerNorm(config.width)

    def forward(self, rows: Tensor) -> Tensor:
        rows = rows + 0.5 * self.first(rows)
        rows = rows + self.attention(rows)
        rows = rows + self.convolution(rows)
        rows = rows + 0.5 * self.second(rows)
        normed: Tensor = self.norm(rows)
        return normed


class RelativeAttention(nn.Module):
    """Self-attention that knows by sinusoids how far apart two rows are (Transformer-XL; Dai et al., ACL 2019, 3.3)."""

    def __init__(self, config: ConformerConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.norm = nn.LayerNorm(config.width)
        self.inputs = nn.Linear(config.width, 3 * config.width)
        self.distance = nn.Linear(config.width, config.width, bias=False)
        size = config.width // config.heads
        self.content_bias = nn.Parameter(torch.zeros(config.heads, 1, size))
        self.distance_bias = nn.Parameter(torch.zeros(config.heads, 1, size))
        self.out = nn.Linear(config.width, config.width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, rows: Tensor) -> Tensor:
        batch, length, width = rows.shape
        query, key, value = self.inputs(self.norm(rows)).chunk(3, dim=2)
        query, key, value = (part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in (query, key, value))
        far = self.distance(distance_code(length, width).to(rows)).unflatten(1, (self.heads, -1)).transpose(0, 1)
        by_distance = (query + self.distance_bias) @ far.transpose(1, 2)
        steps = torch.arange(length, device=rows.device)
        apart = (steps[:, None] - steps[None, :] + length - 1).expand(batch, self.heads, -1, -1)
        scores = (query + self.content_bias) @ key.transpose(2, 3) + by_distance.gather(3, apart)
        weights = self.dropout((scores / (width // self.heads) ** 0.5).softmax(3))
        found: Tensor = self.dropout(self.out((weights @ value).transpose(1, 2).flatten(2)))
        return found


class ConvolutionModule(nn.Module):
    """Gated pointwise, depthwise over time, BatchNorm, Swish, pointwise (Gulati et al., 2.2)."""

    def __init__(self, config: ConformerConfig) -> None:
        super().__init__()
        width, kernel = config.width, config.kernel
        self.norm = nn.LayerNorm(width)
        self.gate = nn.Linear(width, 2 * width)
        self.over_time = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.batch_norm = nn.BatchNorm1d(width)
        self.out = nn.Linear(width, width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, rows: Tensor) -> Tensor:
        gated = functional.glu(self.gate(self.norm(rows)), dim=2)
        mixed = functional.silu(self.batch_norm(self.over_time(gated.transpose(1, 2)))).transpose(1, 2)
        found: Tensor = self.dropout(self.out(mixed))
        return found


class AttentiveMoments(nn.Module):
    """Mean and deviation over time (B, 2W) of rows (B, T, W), each channel weighing rows by itself.

    Okabe et al., Attentive Statistics Pooling, Interspeech 2018.
    """

    def __init__(self, width: int, logarithm: bool) -> None:
        super().__init__()
        self.logarithm = logarithm
        self.attention = nn.Sequential(nn.Linear(width, width // 2), nn.Tanh(), nn.Linear(width // 2, width))

    def forward(self, rows: Tensor) -> Tensor:
        weights = self.attention(rows).softmax(1)
        mean = (weights * rows).sum(1)
        spread = (weights * (rows - mean[:, None]) ** 2).sum(1)
        return torch.cat([mean, (spread + _FLOOR).log() / 2 if self.logarithm else (spread + _FLOOR).sqrt()], dim=1)


def join_rows(series: Tensor, count: int) -> Tensor:
    """Series (B, T, C) as (B, T // count, count * C); rows that are left over at the end are dropped."""
    length = series.shape[1] // count
    return series[:, : length * count].reshape(len(series), length, -1)


def distance_code(length: int, width: int) -> Tensor:
    """Sinusoids (2 * length - 1, width) of the distances -(length - 1) ... length - 1."""
    distance = torch.arange(-(length - 1), length, dtype=torch.float32)[:, None]
    rate = torch.exp(torch.arange(0, width, 2, dtype=torch.float32) * (-torch.log(torch.tensor(1e4)) / width))
    return torch.cat([(distance * rate).sin(), (distance * rate).cos()], dim=1)


def _feed_forward(config: ConformerConfig) -> nn.Sequential:
    inner = config.expansion * config.width
    return nn.Sequential(
        nn.LayerNorm(config.width),
        nn.Linear(config.width, inner),
        nn.SiLU(),
        nn.Dropout(config.dropout),
        nn.Linear(inner, config.width),
        nn.Dropout(config.dropout),
    )
