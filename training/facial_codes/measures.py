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
    deviations of each coefficient. by_person: float64 (people, Q), the same of each. error: float64 (Q,), mean absolute
    error of a coefficient, 0-1 as tracked. perplexity: e to the entropy of all stages' tokens, at most K. dead: tokens
    that are never chosen. used: bool (K,)."""

    explained: NDArray[np.float64]
    by_person: NDArray[np.float64]
    error: NDArray[np.float64]
    perplexity: float
    dead: int
    used: NDArray[np.bool_]


@torch.no_grad()
def code_figures(network: CodesNetwork, expressions: Tensor, person: NDArray[np.int64]) -> CodeFigures:
    """Of frames (n, C) of people (n,), numbered from 0, whom training did not see."""
    normalised = network.normalised(expressions)
    squared, absolute, tokens = [], np.zeros(network.size.stages), []
    for part in torch.split(normalised, _AT_ONCE):
        chosen = network.quantizer(network.encoded(part)).tokens
        tokens.append(chosen)
        sums = network.quantizer.codes[chosen].cumsum(dim=1)
        difference = network.decoder(sums) - part.unsqueeze(1)
        squared.append(difference.square().sum(dim=2))
        absolute += (difference * network.deviation).abs().double().sum(dim=(0, 2)).numpy()
    counts = np.bincount(torch.cat(tokens).flatten().numpy(), minlength=network.size.codes)
    left = torch.cat(squared).double().numpy()
    power = normalised.square().double().sum(dim=1).numpy()
    each = [1 - left[person == one].sum(axis=0) / power[person == one].sum() for one in range(int(person.max()) + 1)]
    return CodeFigures(
        1 - left.sum(axis=0) / power.sum(),
        np.stack(each),
        absolute / normalised.numel(),
        perplexity(counts),
        int((counts == 0).sum()),
        counts > 0,
    )


def perplexity(counts: NDArray[np.int64]) -> float:
    """e to the entropy of tokens counted (K,): how many tokens an even use would need for the same entropy."""
    share = counts[counts > 0] / counts.sum()
    return float(np.exp(-(share * np.log(share)).sum()))
