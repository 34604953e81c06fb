"""Which seeds are whose: ranges of artificial people (drivers and puppets) that can never meet across splits."""

from __future__ import annotations

from typing import Literal

import numpy as np

SeedSplit = Literal["train", "val", "test", "demo"]

SEED_RANGES: dict[SeedSplit, range] = {
    "train": range(1_000_000),
    "val": range(1_000_000, 1_100_000),
    "test": range(1_100_000, 1_200_000),
    "demo": range(1_200_000, 1_300_000),
}
"""Half-open and disjoint; a driver's seed and a puppet's seed are drawn from the same ranges but are unrelated."""


def split_seeds(split: SeedSplit, count: int) -> list[int]:
    """The first `count` seeds of a split. Raises ValueError where the split does not hold so many."""
    seeds = SEED_RANGES[split]
    if not 0 <= count <= len(seeds):
        raise ValueError(f"split {split} holds {len(seeds)} seeds, {count} were asked for")
    return list(seeds[:count])


def stream(*words: int) -> np.random.Generator:
    """An independent random stream for a tuple of non-negative numbers (seed, take, purpose...)."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(words)))
