"""Training of facial codes: what the loss is made of and how a step goes (seed_systems.md 3.2; weights are ours)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from training.errors import DataError
from training.facial_codes.network import CodesNetwork, NetworkSize
from training.facial_codes.quantizer import DECAY
from training.facial_codes.templates import Movement, orthogonality

DEVIATION_FLOOR = 0.02
"""Least deviation that a coefficient is divided by: MediaPipe's cheekPuff or noseSneer stay near 0, and a channel of
noise must not count as much as a smile."""


@dataclass(frozen=True, slots=True)
class FitSettings:
    """How codes are learnt. Commitment 0.25 is the reference's; the other weights are our own choice."""

    size: NetworkSize = field(default_factory=NetworkSize)
    steps: int = 200
    batch: int = 256
    learning_rate: float = 1e-3
    commitment: float = 0.25
    mesh: float = 0.25
    sparsity: float = 1.0
    orthogonality: float = 0.3
    seed: int = 0


def fit_codes(
    expressions: Tensor,
    shifts: Tensor,
    settings: FitSettings,
    weights: Tensor | None = None,
    tick: Callable[[int], None] = lambda _: None,
) -> CodesNetwork:
    """A network trained on frames (n, C).

    shifts: (C, V, 3), what a coefficient of 1 moves. weights: (n,), how often a frame is drawn; evenly by default.
    Raises DataError where there are fewer frames than codes.
    """
    if len(expressions) < settings.size.codes:
        raise DataError(
            f"{len(expressions)} frames are too few for {settings.size.codes} codes; give more or ask for fewer"
        )
    torch.manual_seed(settings.seed)
    generator = torch.Generator().manual_seed(settings.seed)
    draw = torch.ones(len(expressions)) if weights is None else weights
    mean, deviation = _moments(expressions, draw)
    network = CodesNetwork(settings.size, mean, deviation)
    normalised = network.normalised(expressions)
    typical = torch.multinomial(draw, min(2000, len(expressions)), generator=generator)
    movement = Movement(shifts, expressions[typical] - mean)
    learnt = [part for name, part in network.named_parameters() if name != "quantizer.codes"]
    optimizer = torch.optim.AdamW(learnt, lr=settings.learning_rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.steps)
    for step in range(settings.steps):
        rows = normalised[torch.multinomial(draw, settings.batch, replacement=True, generator=generator)]
        _step(network, movement, optimizer, rows, settings, generator)
        schedule.step()
        tick(step + 1)
    return network.eval()


def _step(
    network: CodesNetwork,
    movement: Movement,
    optimizer: torch.optim.Optimizer,
    rows: Tensor,
    settings: FitSettings,
    generator: torch.Generator,
) -> None:
    """One batch: quantiser dropout draws for each row how many stages it may use."""
    stages = torch.randint(1, settings.size.stages + 1, (len(rows),), generator=generator)
    coded = network(rows, stages)
    difference = coded.expression - rows
    loss = difference.square().mean() + settings.commitment * coded.found.commitment
    loss = loss + settings.mesh * movement.error(difference * network.deviation)
    if settings.sparsity:
        loss = loss + settings.sparsity * movement.sparsity(network.templates())
    if settings.orthogonality:
        loss = loss + settings.orthogonality * orthogonality(network.quantizer.codes)
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    for group in optimizer.param_groups:
        torch.nn.utils.clip_grad_norm_(group["params"], 1.0)
    optimizer.step()
    _step_codes(network)
    network.quantizer.follow(coded.found, generator)


@torch.no_grad()
def _step_codes(network: CodesNetwork) -> None:
    """Plain gradient steps of the terms on templates, at the pace of the codes' average.

    A code then weighs the terms against the residuals that choose it. An adaptive step would make the terms' weights
    meaningless, since codes have no other gradient.
    """
    codes = network.quantizer.codes
    if codes.grad is not None:
        codes.add_(codes.grad, alpha=-(1 - DECAY) * len(codes))
        codes.grad = None


def _moments(expressions: Tensor, draw: Tensor) -> tuple[Tensor, Tensor]:
    """Weighted mean and deviation (C,) of frames (n, C)."""
    share = (draw / draw.sum()).unsqueeze(1)
    mean = (share * expressions).sum(0)
    deviation = (share * (expressions - mean).square()).sum(0).sqrt()
    return mean, deviation.clamp(min=DEVIATION_FLOOR)
