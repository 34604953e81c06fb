"""Which two faces of one person are learnt from together: closer ones first (section 2.4 of the seed systems).

Both faces of a pair come from one recording (our choice: the source has one video of each person), so that light and
clothes are the same and the swap of neutral faces asks for movement alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from training.person_models.faces import FaceStack, Recording, stacked

Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Pairs:
    """first, second: int64 (n,), places in the source's faces. mirrored: bool (n,), second is shown in a mirror."""

    first: Places
    second: Places
    mirrored: NDArray[np.bool_]


class PairSource(Protocol):
    """Where a model's pairs come from."""

    @property
    def stack(self) -> FaceStack: ...

    def pairs(self, epoch: int) -> Pairs:
        """In the order in which they are learnt. epoch: from 1."""


def separation(epoch: int) -> int:
    """How many frames apart the faces of a pair are in an epoch, from 1: the published curriculum."""
    if epoch < 50:
        return 2 * epoch
    return (4 if epoch < 100 else 5) * epoch


def partners(places: Places, lengths: Places, apart: int) -> Places:
    """The frame that is `apart` later in the recording, or earlier where it ends; else its farther end.

    places: within recordings of these lengths, both (n,).
    """
    farther_end = np.where(2 * places < lengths, lengths - 1, 0)
    backwards = np.where(places >= apart, places - apart, farther_end)
    return np.where(places + apart < lengths, places + apart, backwards)


class PersonPairs:
    """Every frame of one person once an epoch, with a partner: by the curriculum, or by one shuffle for all epochs."""

    def __init__(self, recordings: Sequence[Recording], *, curriculum: bool, seed: int) -> None:
        self.stack = stacked(recordings)
        self._curriculum, self._seed = curriculum, seed

    def pairs(self, epoch: int) -> Pairs:
        """See PairSource."""
        stack = self.stack
        first = np.arange(len(stack.faces))
        if self._curriculum:
            start, length = (np.repeat(of, stack.lengths) for of in (stack.starts, stack.lengths))
            second = start + partners(first - start, length, separation(epoch))
        else:
            shuffle = np.random.default_rng(self._seed)
            second = np.concatenate([
                start + shuffle.permutation(length) for start, length in zip(stack.starts, stack.lengths, strict=True)
            ])  # fmt: skip
        order = np.random.default_rng([self._seed, epoch]).permutation(len(first))
        return Pairs(first[order], second[order], np.zeros(len(first), bool))


class GeneralPairs:
    """Pairs of everybody, for the general model: people count alike; half of the pairs are a face and its mirror.

    pairs_per_epoch: our choice; with all frames of everybody a curriculum would never advance.
    """

    def __init__(self, everybody: Sequence[Sequence[Recording]], pairs_per_epoch: int, *, seed: int) -> None:
        self.stack = stacked([recording for recordings in everybody for recording in recordings])
        counts = [sum(len(recording.faces) > 0 for recording in recordings) for recordings in everybody]
        self._count = np.array([count for count in counts if count], np.int64)
        self._first = np.cumsum(self._count) - self._count
        self._pairs_per_epoch, self._seed = pairs_per_epoch, seed

    def pairs(self, epoch: int) -> Pairs:
        """See PairSource."""
        random, count = np.random.default_rng([self._seed, epoch]), self._pairs_per_epoch
        person = random.integers(len(self._count), size=count)
        recording = self._first[person] + random.integers(self._count[person])
        start, length = self.stack.starts[recording], self.stack.lengths[recording]
        place = random.integers(length)
        mirrored = np.arange(count) % 2 == 0
        second = np.where(mirrored, place, partners(place, length, separation(epoch)))
        return Pairs(start + place, start + second, mirrored)
