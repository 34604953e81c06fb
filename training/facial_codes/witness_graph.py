"""The live witness as one graph: a window of blendshapes -> its histogram of tokens, ready to compare.

Everything that `codes` learnt lies inside: the window's median is taken off, so that a face's and a camera's level
drops out; every frame is coded; tokens are counted, their shares' roots weighed and brought to length 1. Entry k of an
embedding is token k, so a template and a probe can be set against each other movement by movement.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.facial_codes.network import CodesNetwork

RATE_HZ, WINDOW_FRAMES = 12.5, 64
"""5.1 s a window: every second frame of a camera of 25 (ours)."""


class WitnessGraph(nn.Module):
    """windows float32 (n, T, 52) -> embeddings float32 (n, K), no entry negative, L2-normalised."""

    weights: Tensor

    def __init__(self, network: CodesNetwork, weights: Tensor) -> None:
        """weights: (K,), positive, by how much each token tells."""
        super().__init__()
        self.network = network
        self.register_buffer("weights", weights.float())

    def forward(self, windows: Tensor) -> Tensor:
        moving = windows[:, :, 1:]
        level = _middle(moving)
        frames = (moving - level).flatten(0, 1)
        network = self.network
        left = network.encoded(network.normalised(frames))
        codes = network.quantizer.codes
        size = codes.square().sum(1)
        counts = torch.zeros_like(left @ codes.T)
        for _ in range(network.size.stages):
            token = (size - 2 * left @ codes.T).argmin(dim=1)
            chosen = nn.functional.one_hot(token, len(codes)).to(left.dtype)
            counts = counts + chosen
            left = left - chosen @ codes
        shares = counts.view(windows.shape[0], windows.shape[1], -1).mean(dim=1) / network.size.stages
        rows = shares.sqrt() * self.weights
        unit: Tensor = rows / rows.norm(dim=1, keepdim=True)
        return unit


def _middle(values: Tensor) -> Tensor:
    """Median over time of (n, T, C), (n, 1, C); of an even number, the mean of the middle two, as NumPy has it."""
    count = values.shape[1]
    ranked = values.topk(count // 2 + 1, dim=1).values
    upper = ranked[:, -1:]
    return upper if count % 2 else (upper + ranked[:, -2:-1]) / 2
