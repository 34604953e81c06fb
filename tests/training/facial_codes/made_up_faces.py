"""Made-up expressions: a few movements that come and go, so that codes have something to find."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from training.facial_codes.clips import ExpressionClip
from training.facial_codes.network import NetworkSize

SMALL = NetworkSize(codes=16, stages=3, queries=2, width=16, layers=1, heads=2)
CHANNELS = 12


def movements(seed: int = 0) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Four movements of three channels each, (4, 12)."""
    rows = np.zeros((4, CHANNELS), np.float32)
    for place in range(4):
        rows[place, 3 * place : 3 * place + 3] = np.random.default_rng(seed).uniform(0.5, 1, 3)
    return rows


def expressions(count: int, seed: int = 0, favourite: int | None = None) -> Tensor:
    """Frames (count, 12) that each make up to two of the movements; `favourite` is made three times as often."""
    random = np.random.default_rng(seed)
    odds = np.ones(4)
    if favourite is not None:
        odds[favourite] = 6
    active = np.stack([random.choice(4, 2, p=odds / odds.sum()) for _ in range(count)])
    weights = np.zeros((count, 4))
    for column in range(2):
        weights[np.arange(count), active[:, column]] += random.choice([0.0, 0.5, 1.0], count)
    noise = random.normal(0, 0.02, (count, CHANNELS))
    return torch.from_numpy((weights @ movements() + noise).astype(np.float32))


def clip(person: str, session: str, count: int = 120, seed: int = 0, favourite: int | None = None) -> ExpressionClip:
    values = expressions(count, seed, favourite).numpy()
    return ExpressionClip(person, session, "made", "train", values, np.arange(count) / 25)


def own_shifts() -> Tensor:
    """Each channel moves a point of its own, (12, 12, 3)."""
    shifts = torch.zeros(CHANNELS, CHANNELS, 3)
    shifts[range(CHANNELS), range(CHANNELS), 1] = 1
    return shifts
