"""Windows of recordings, and what is taken off them so that a still face says nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from training.expression_dynamics.recordings import Floats, Recording

Removal = Literal["none", "mean", "median"]
"""Of every channel of a window. The mean expression gives away the face's shape and the camera."""


@dataclass(frozen=True, slots=True)
class Windows:
    """values: float32 (n, T, C). person, recording: int64 (n,), numbers in the lists that they were cut from."""

    values: Floats
    person: NDArray[np.int64]
    recording: NDArray[np.int64]

    def of(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> Windows:
        return Windows(self.values[chosen], self.person[chosen], self.recording[chosen])


def cut(values: Floats, frames: int, hop: int) -> Floats:
    """Windows (n, frames, C) of rows (m, C), a new one every `hop` rows; none where there are too few rows."""
    starts = np.arange(0, len(values) - frames + 1, hop)
    windows: Floats = values[starts[:, None] + np.arange(frames)]
    return windows


def cut_all(people: Sequence[Sequence[Recording]], frames: int, hop: int) -> Windows:
    """Windows of all recordings of all people, numbered in their order."""
    parts, person, recording, number = [], [], [], 0
    for who, own in enumerate(people):
        for one in own:
            found = cut(one.values, frames, hop)
            parts.append(found)
            person += [who] * len(found)
            recording += [number] * len(found)
            number += 1
    return Windows(np.concatenate(parts), np.array(person, np.int64), np.array(recording, np.int64))


def without_level(values: Floats, removal: Removal) -> Floats:
    """Windows (n, T, C) less each channel's mean or median."""
    if removal == "mean":
        mean: Floats = values.mean(axis=1, keepdims=True)
        return values - mean
    if removal == "median":
        middle: Floats = np.median(values, axis=1, keepdims=True)
        return values - middle
    return values


def shuffled_in_time(values: Floats, seed: int) -> Floats:
    """The rows of each window in an order of their own: what is left is how values spread, not how they move."""
    random = np.random.default_rng(seed)
    order = np.argsort(random.random(values.shape[:2]), axis=1)
    shuffled: Floats = np.take_along_axis(values, order[..., None], axis=1)
    return shuffled
