"""Train an encoder of series to tell people apart, by contrast of windows of different recordings.

Supervised contrast (Khosla et al., 2020) as arXiv 2510.11223 names it, of batches of P people with K windows each, and
beside it half a cross-entropy over the people, through a linear layer that is thrown away for people not trained on.
Batches, rates and length are our own choices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_metric_learning.losses import SupConLoss
from torch import Tensor, nn
from torch.nn import functional

from training.errors import DataError, TrainingError
from training.expression_dynamics.augmentation import Augmentation
from training.expression_dynamics.recordings import Floats, Recording
from training.expression_dynamics.windows import Removal, cut, shuffled_in_time, without_level

Encoder = Callable[[int], nn.Module]
"""A network of that many channels; it gives embeddings and unit-length projections, as `Conformer` does."""

_BATCH = 256
_SMALLEST = 1e-6


@dataclass(frozen=True, slots=True)
class FitConfig:
    """How an encoder is trained.

    frames: rows of a window. derivatives: the difference to the row before joins each channel. shuffled: the rows of
    every window, of training too, are in random order: the control that sees no motion. people, windows: of a batch.
    cross_entropy: its weight beside the contrast.
    """

    frames: int = 100
    removal: Removal = "median"
    derivatives: bool = True
    shuffled: bool = False
    people: int = 16
    windows: int = 4
    steps: int = 600
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    temperature: float = 0.07
    cross_entropy: float = 0.5
    augmentation: Augmentation = field(default_factory=Augmentation)
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Fitted:
    """A trained encoder, its classes in the order of the people that it was given, and how its inputs are scaled.

    mean, deviation: float32 (C',), of training windows after removal, derivatives included.
    """

    config: FitConfig
    encoder: nn.Module
    classifier: nn.Linear
    mean: Floats
    deviation: Floats

    @torch.no_grad()
    def embed(self, values: Floats) -> Floats:
        """Embeddings float32 (n, D) of windows (n, T, C)."""
        parts = [self.encoder(self._input(part))[0].numpy() for part in _parts(values)]
        return np.concatenate(parts)

    @torch.no_grad()
    def logits(self, values: Floats) -> Floats:
        """Of all people, float32 (n, people), of windows (n, T, C)."""
        parts = [self.classifier(self.encoder(self._input(part))[0]).numpy() for part in _parts(values)]
        return np.concatenate(parts)

    def _input(self, values: Floats) -> Tensor:
        self.encoder.eval()
        return torch.from_numpy((inputs(values, self.config) - self.mean) / self.deviation)


def inputs(values: Floats, config: FitConfig) -> Floats:
    """What the encoder reads of windows (n, T, C), before it is standardised: (n, T, C) or, with derivatives, 2 C."""
    ordered = shuffled_in_time(values, config.seed) if config.shuffled else values
    moving = without_level(ordered, config.removal)
    if not config.derivatives:
        return moving.astype(np.float32)
    steps = np.diff(moving, axis=1, prepend=moving[:, :1])
    return np.concatenate([moving, steps], axis=2).astype(np.float32)


def fit_encoder(
    people: Sequence[Sequence[Recording]],
    encoder: Encoder,
    config: FitConfig,
    each: Callable[[int, float], None] | None = None,
) -> Fitted:
    """Train on people's recordings. each: told the step, from 1, and its loss.

    Raises DataError where fewer than two people have a recording long enough, TrainingError when the loss is no longer
    a number.
    """
    batches = _Batches(people, config)
    mean, deviation = _scale(people, config)
    torch.manual_seed(config.seed)
    network = encoder(len(mean))
    with torch.no_grad():
        size = network.eval()(torch.zeros(1, config.frames, len(mean)))[0].shape[1]
    classifier = nn.Linear(size, len(people))
    contrast = SupConLoss(temperature=config.temperature)
    values = [*network.parameters(), *classifier.parameters()]
    optimizer = torch.optim.AdamW(values, lr=config.learning_rate, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.learning_rate, config.steps, pct_start=0.1)
    network.train()
    for step in range(1, config.steps + 1):
        windows, label = batches.draw()
        series = torch.from_numpy((inputs(windows, config) - mean) / deviation)
        embedding, projected = network(series)
        loss = contrast(projected, label)
        if config.cross_entropy:
            loss = loss + config.cross_entropy * functional.cross_entropy(classifier(embedding), label)
        if not torch.isfinite(loss):
            raise TrainingError(f"the loss is no number at step {step}; lower the learning rate")
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(values, 1.0)
        optimizer.step()
        schedule.step()
        if each is not None:
            each(step, float(loss.detach()))
    return Fitted(config, network.eval(), classifier.eval(), mean, deviation)


class _Batches:
    """Windows of P people, K of each and from different recordings while these last, at any place of them."""

    def __init__(self, people: Sequence[Sequence[Recording]], config: FitConfig) -> None:
        self._config = config
        self._rows = config.augmentation.rows(config.frames)
        self._long = [[one.values for one in own if len(one.values) >= self._rows] for own in people]
        self._usable = np.array([who for who, own in enumerate(self._long) if own])
        if len(self._usable) < 2:
            raise DataError(f"fewer than two people have a recording of {self._rows} rows; train on shorter windows")
        self._random = np.random.default_rng(config.seed)

    def draw(self) -> tuple[Floats, Tensor]:
        """Windows (P * K, frames, C) and whose they are (P * K,)."""
        random, config = self._random, self._config
        chosen = random.permutation(self._usable)[: config.people]
        rows = [row for who in chosen for row in self._of(self._long[who])]
        label = np.repeat(chosen, config.windows)
        return config.augmentation.apply(np.stack(rows), config.frames, random), torch.from_numpy(label)

    def _of(self, own: Sequence[Floats]) -> list[Floats]:
        order = self._random.permutation(len(own))
        places = [order[turn % len(own)] for turn in range(self._config.windows)]
        starts = [self._random.integers(len(own[place]) - self._rows + 1) for place in places]
        return [own[place][start : start + self._rows] for place, start in zip(places, starts, strict=True)]


def _scale(people: Sequence[Sequence[Recording]], config: FitConfig) -> tuple[Floats, Floats]:
    """Mean and deviation (C',) of all windows of training, end to end."""
    parts = [inputs(cut(one.values, config.frames, config.frames), config) for own in people for one in own]
    flat = np.concatenate([part.reshape(-1, part.shape[2]) for part in parts]).astype(np.float64)
    mean: NDArray[np.float32] = flat.mean(axis=0).astype(np.float32)
    deviation: NDArray[np.float32] = np.maximum(flat.std(axis=0), _SMALLEST).astype(np.float32)
    return mean, deviation


def _parts(values: Floats) -> list[Floats]:
    return [values[start : start + _BATCH] for start in range(0, len(values), _BATCH)]
