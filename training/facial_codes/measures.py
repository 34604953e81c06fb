"""How well codes do: what a sum of templates explains of unseen people, and how the codebook is used."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.facial_codes.network import CodesNetwork

_AT_ONCE = 8192


@dataclass(frozen=True, slots=True)
class CodeFigures:
    """explained: float64 (Q,), share of the variance about the training mean that the first q stages explain, in
    deviations of each coefficient. error: float64 (Q,), mean absolute error of a coefficient, 0-1 as tracked.
    perplexity: e to the entropy of all stages' tokens, at most K. dead: tokens that are never chosen. used: bool (K,).
    """

    explained: NDArray[np.float64]
    error: NDArray[np.float64]
    perplexity: float
    dead: int
    used: NDArray[np.bool_]


@torch.no_grad()
def code_figures(network: CodesNetwork, expressions: Tensor) -> CodeFigures:
    """Of frames (n, C) that training did not see."""
    normalised = network.normalised(expressions)
    stages = network.size.stages
    squared, absolute = np.zeros(stages), np.zeros(stages)
    tokens = []
    for part in normalised.split(_AT_ONCE):
        found = network.quantizer(network.encoded(part))
        tokens.append(found.tokens)
        sums = network.quantizer.codes[found.tokens].cumsum(dim=1)
        difference = network.decoder(sums) - part.unsqueeze(1)
        squared += difference.square().double().sum(dim=(0, 2)).numpy()
        absolute += (difference * network.deviation).abs().double().sum(dim=(0, 2)).numpy()
    counts = np.bincount(torch.cat(tokens).flatten().numpy(), minlength=network.size.codes)
    total = float(normalised.square().double().sum())
    return CodeFigures(
        1 - squared / total, absolute / normalised.numel(), perplexity(counts), int((counts == 0).sum()), counts > 0
    )


def perplexity(counts: NDArray[np.int64]) -> float:
    """e to the entropy of tokens counted (K,): how many tokens an even use would need for the same entropy."""
    share = counts[counts > 0] / counts.sum()
    return float(np.exp(-(share * np.log(share)).sum()))
