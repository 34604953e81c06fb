"""Residual vector quantisation with one codebook for all stages.

Stage q takes the code nearest to what the stages before it have left over, so a latent becomes Q tokens and the sum of
their codes (residual VQ with a shared codebook, as DFE uses; Tran et al., 2025; seed_systems.md 3.2). Codes follow the
latents that choose them by an exponential average (van den Oord et al., 2017, appendix A.1), written as a step towards
their mean, so that it goes together with gradient steps of terms on the codes themselves. Gradients pass straight
through.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

DECAY = 0.99
_DEAD_SHARE = 0.1
"""A code chosen less often than this share of an even use is dead (our own choice)."""
_FRESH_SHARE = 0.25
"""Use that a new code starts with: one that nothing chooses is dead after about 90 steps, and not at once (ours)."""


@dataclass(frozen=True, slots=True)
class Quantised:
    """latent: (n, D), the sum of codes, gradients straight through. tokens: int64 (n, Q). residuals: (n, Q, D), what
    each stage saw. active: bool (n, Q), False where quantiser dropout left a stage out. commitment: (), mean squared
    distance of the residuals to their codes."""

    latent: Tensor
    tokens: Tensor
    residuals: Tensor
    active: Tensor
    commitment: Tensor


class ResidualQuantizer(nn.Module):
    """`stages` stages that share `codes` codes of `width` numbers."""

    uses: Tensor
    started: Tensor

    def __init__(self, codes: int, width: int, stages: int) -> None:
        super().__init__()
        self.stages = stages
        self.codes = nn.Parameter(torch.randn(codes, width) * 0.1)
        self.register_buffer("uses", torch.zeros(codes))
        self.register_buffer("started", torch.tensor(False))

    def forward(self, latent: Tensor, stages: Tensor | None = None) -> Quantised:
        """latent: (n, D). stages: int64 (n,), how many stages each row uses (quantiser dropout); all by default."""
        codes = self.codes.detach()
        left, total = latent, torch.zeros_like(latent)
        tokens, residuals, active, commitment = [], [], [], latent.new_zeros(())
        counted = 0
        for stage in range(self.stages):
            token = nearest(left.detach(), codes)
            used = torch.ones_like(token, dtype=torch.bool) if stages is None else stages > stage
            code = codes[token] * used.unsqueeze(1)
            commitment = commitment + ((left - code).square().mean(1) * used).sum()
            counted += int(used.sum())
            tokens.append(token)
            residuals.append(left.detach())
            active.append(used)
            total = total + code
            left = left - code
        return Quantised(
            latent + (total - latent).detach(),
            torch.stack(tokens, dim=1),
            torch.stack(residuals, dim=1),
            torch.stack(active, dim=1),
            commitment / max(1, counted),
        )

    @torch.no_grad()
    def follow(self, found: Quantised, generator: torch.Generator) -> int:
        """Move each code towards the mean of the residuals that chose it, and set dead ones anew on some residual.

        Returns how many were dead. To be called after the step of the optimiser.
        """
        rows, chosen = found.residuals[found.active], found.tokens[found.active]
        count = torch.bincount(chosen, minlength=len(self.codes)).to(rows.dtype)
        even = len(rows) / len(self.codes)
        if not self.started:
            self.codes.copy_(_drawn(rows, len(self.codes), generator))
            self.uses.fill_(_FRESH_SHARE * even)
            self.started.fill_(True)
            return 0
        self.uses.mul_(DECAY).add_(count, alpha=1 - DECAY)
        mean = torch.zeros_like(self.codes).index_add_(0, chosen, rows) / count.clamp(min=1).unsqueeze(1)
        rate = ((1 - DECAY) * count / self.uses.clamp(min=1e-6)).clamp(max=1).unsqueeze(1)
        self.codes.add_(rate * (mean - self.codes))
        dead = torch.nonzero(self.uses < _DEAD_SHARE * even).squeeze(1)
        if len(dead):
            self.codes[dead] = _drawn(rows, len(dead), generator)
            self.uses[dead] = _FRESH_SHARE * even
        return len(dead)


def nearest(rows: Tensor, codes: Tensor) -> Tensor:
    """Index int64 (n,) of the code (K, D) with the least squared distance to each row (n, D); the first of equals."""
    return (codes.square().sum(1) - 2 * rows @ codes.T).argmin(dim=1)


def _drawn(rows: Tensor, count: int, generator: torch.Generator) -> Tensor:
    return rows[torch.randint(len(rows), (count,), generator=generator)]
