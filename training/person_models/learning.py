"""Trains a person model: the general one of everybody, and from it, in a minute or so, one of each person.

What a guard needs to run this beside a call: it tells how far it is, and stops within one step when asked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engines.person_models.faces import ENROLMENT_FRAMES, FEWEST_FRAMES
from training.errors import DataError, LearningCancelledError
from training.person_models.augment import augmented
from training.person_models.faces import FaceStack, Recording
from training.person_models.losses import person_losses
from training.person_models.network import PersonModel, PersonModelConfig, Redrawn
from training.person_models.pairs import GeneralPairs, Pairs, PairSource, PersonPairs


@dataclass(frozen=True, slots=True)
class LearningConfig:
    """How one model is trained.

    pairs: in a batch. learning_rate: at the beginning, a tenth of it at the end, by a cosine; betas of Adam. The
    published rate, 8e-5 and less over 500 epochs, would not arrive in ours: rate, schedule and epochs are our choice,
    and so are a person's smaller batches (16 pairs as published). flip: turn faces round left to right now and then.
    half: bfloat16 where it serves.
    """

    epochs: int
    learning_rate: float
    pairs: int = 16
    betas: tuple[float, float] = (0.5, 0.999)
    curriculum: bool = True
    flip: bool = False
    half: bool = True
    seed: int = 0


GENERAL = LearningConfig(epochs=10, learning_rate=2e-3)
PERSON = LearningConfig(epochs=5, learning_rate=1e-3, pairs=8)


@dataclass(frozen=True, slots=True)
class LearningProgress:
    """How far it is: steps done of all, and what the last batch lost."""

    step: int
    steps: int
    loss: float


Report = Callable[[LearningProgress], None]
Cancelled = Callable[[], bool]


def learn_general(
    everybody: Sequence[Sequence[Recording]],
    network: PersonModelConfig,
    config: LearningConfig = GENERAL,
    *,
    pairs_per_epoch: int = 960,
    report: Report | None = None,
    cancelled: Cancelled | None = None,
) -> PersonModel:
    """The general model of all these people. Raises LearningCancelledError when asked to stop."""
    torch.manual_seed(config.seed)
    model = PersonModel(network)
    learn(model, GeneralPairs(everybody, pairs_per_epoch, seed=config.seed), config, report, cancelled)
    return model


def learn_person(
    general: PersonModel,
    recordings: Sequence[Recording],
    config: LearningConfig = PERSON,
    *,
    report: Report | None = None,
    cancelled: Cancelled | None = None,
) -> PersonModel:
    """A person's model, begun with the general one, which stays as it is.

    Raises DataError for too little enrolment video and LearningCancelledError when asked to stop.
    """
    frames = sum(len(recording.faces) for recording in recordings)
    if frames < FEWEST_FRAMES:
        raise DataError(f"{frames} frames are too few to learn a person's model from; record {FEWEST_FRAMES} or more")
    torch.manual_seed(config.seed)
    model = deepcopy(general)
    learn(model, PersonPairs(recordings, curriculum=config.curriculum, seed=config.seed), config, report, cancelled)
    return model


def enrolment_of(recordings: Sequence[Recording], frames: int = ENROLMENT_FRAMES) -> tuple[Recording, ...]:
    """Whole recordings, evenly over all there are, until they hold so many frames."""
    order = sorted(range(len(recordings)), key=lambda place: (place * 0.6180339887) % 1.0)
    chosen: list[int] = []
    for place in order:
        if sum(len(recordings[other].faces) for other in chosen) >= frames:
            break
        chosen.append(place)
    return tuple(recordings[place] for place in sorted(chosen))


def learn(
    model: PersonModel,
    source: PairSource,
    config: LearningConfig,
    report: Report | None = None,
    cancelled: Cancelled | None = None,
) -> None:
    """Train in place, and leave the model ready for use. Raises LearningCancelledError when asked to stop."""
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch does not annotate it
    model.train()
    optimizer = torch.optim.Adam(model.parameters(), config.learning_rate, config.betas)
    random = torch.Generator().manual_seed(config.seed)
    batches = [len(source.pairs(epoch).first) // config.pairs or 1 for epoch in range(1, config.epochs + 1)]
    steps, step = sum(batches), 0
    for epoch, count in enumerate(batches, start=1):
        pairs = source.pairs(epoch)
        for batch in range(count):
            if cancelled is not None and cancelled():
                raise LearningCancelledError(f"stopped after {step} of {steps} steps; nothing was kept")
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * _pace(step / steps)
            rows = slice(batch * config.pairs, (batch + 1) * config.pairs)
            loss = _step(model, optimizer, _faces(source.stack, pairs, rows), random, config)
            step += 1
            if report is not None:
                report(LearningProgress(step, steps, loss))
    model.eval()


def _pace(share: float) -> float:
    """Of the learning rate, after this share of all steps."""
    return 0.1 + 0.45 * (1 + math.cos(math.pi * share))


def _faces(stack: FaceStack, pairs: Pairs, rows: slice) -> Tensor:
    """Both faces of each pair, first ones first: float (2 n, 1, 64, 64), 0-1."""
    first, second = stack.faces[pairs.first[rows]], stack.faces[pairs.second[rows]]
    second = np.where(pairs.mirrored[rows, None, None], second[:, :, ::-1], second)
    return torch.from_numpy(np.concatenate([first, second])).float()[:, None] / 255


def _step(
    model: PersonModel,
    optimizer: torch.optim.Optimizer,
    faces: Tensor,
    random: torch.Generator,
    config: LearningConfig,
) -> float:
    inputs = model.normalised(augmented(faces, random, flip=config.flip))
    with torch.autocast("cpu", torch.bfloat16, enabled=config.half):
        drawn = model.redraw(inputs)
    loss = torch.stack(list(person_losses(Redrawn(*(part.float() for part in drawn))).values())).sum()
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]  # torch does not annotate it
    optimizer.step()
    return float(loss.detach())
