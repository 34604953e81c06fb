"""The network of facial codes: one frame's expression -> tokens -> the same expression as a sum of templates.

Encoder, quantiser and decoder as in DFE (Tran et al., 2025) by seed_systems.md 3.2; the temporal window is one frame.
The decoder is linear without bias and works on each code alone, so what comes out is exactly the sum of the chosen
codes' templates.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from training.facial_codes.quantizer import Quantised, ResidualQuantizer


@dataclass(frozen=True, slots=True)
class NetworkSize:
    """What is ours of it: the publication names none. `FULL` is seed_systems.md 3.2, the default what one CPU core
    trains in under a minute."""

    codes: int = 64
    stages: int = 8
    queries: int = 4
    width: int = 64
    layers: int = 2
    heads: int = 4


FULL = NetworkSize(codes=256, stages=8, queries=16, width=128, layers=4, heads=4)


@dataclass(frozen=True, slots=True)
class Coded:
    """expression: (n, C), normalised, as the templates add up. found: what the quantiser chose."""

    expression: Tensor
    found: Quantised


class CodesNetwork(nn.Module):
    """Expressions of `channels` coefficients; `mean` and `deviation` (channels,) normalise them."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, size: NetworkSize, mean: Tensor, deviation: Tensor) -> None:
        super().__init__()
        self.size = size
        channels = len(mean)
        self.register_buffer("mean", mean.float())
        self.register_buffer("deviation", deviation.float())
        self.queries = nn.Linear(channels, size.queries * size.width)
        self.places = nn.Parameter(torch.randn(size.queries, size.width) * 0.02)
        layer = nn.TransformerEncoderLayer(
            size.width, size.heads, 4 * size.width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.transformer = nn.TransformerEncoder(layer, size.layers, enable_nested_tensor=False)
        self.latent = nn.Linear(size.width, size.width)
        self.quantizer = ResidualQuantizer(size.codes, size.width, size.stages)
        self.decoder = nn.Linear(size.width, channels, bias=False)

    def normalised(self, expression: Tensor) -> Tensor:
        """Coefficients (n, C) as deviations from their mean, in standard deviations."""
        return (expression - self.mean) / self.deviation

    def encoded(self, normalised: Tensor) -> Tensor:
        """Latents (n, width) of normalised expressions (n, C)."""
        tokens = self.queries(normalised).view(-1, self.size.queries, self.size.width) + self.places
        latent: Tensor = self.latent(self.transformer(tokens).mean(dim=1))
        return latent

    def forward(self, normalised: Tensor, stages: Tensor | None = None) -> Coded:
        """normalised: (n, C). stages: int64 (n,), as `ResidualQuantizer` takes them."""
        found = self.quantizer(self.encoded(normalised), stages)
        return Coded(self.decoder(found.latent), found)

    @torch.no_grad()
    def tokens(self, expression: Tensor, at_once: int = 4096) -> Tensor:
        """Tokens int64 (n, Q) of coefficients (n, C) as they come, stage by stage."""
        parts = [
            self.quantizer(self.encoded(self.normalised(part))).tokens for part in torch.split(expression, at_once)
        ]
        return torch.cat(parts)

    def templates(self) -> Tensor:
        """What each token adds, (K, C), in units of the coefficients."""
        deltas: Tensor = self.decoder(self.quantizer.codes) * self.deviation
        return deltas
