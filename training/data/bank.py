"""All motion that one run draws from, flat in memory: people's clips one after another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.drivers.motion import DriverMotion
from training.errors import DataError


@dataclass(frozen=True, slots=True)
class MotionClip:
    """One recording (or take) of one driver without breaks, at the run's frame rate.

    driver: name of the person or procedural seed. session: clips of one driver with different sessions were recorded
    at different times. key: which recording it is.
    """

    driver: str
    session: str
    key: str
    motion: DriverMotion


@dataclass(frozen=True, slots=True)
class MotionBank:
    """Clips of many drivers. Frames of clip c are `starts[c] : starts[c] + lengths[c]`.

    landmarks: float16 (F, L, 2), head: float32 (F, 4), as in DriverMotion.
    driver: int64 (C,), index into `drivers`. session: int64 (C,).
    """

    landmarks: NDArray[np.float16]
    head: NDArray[np.float32]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    driver: NDArray[np.int64]
    session: NDArray[np.int64]
    drivers: tuple[str, ...]
    keys: tuple[str, ...]

    def eligible(self, frames: int) -> tuple[NDArray[np.int64], ...]:
        """Per driver, the clips with at least `frames` frames."""
        enough = self.lengths >= frames
        return tuple(np.flatnonzero(enough & (self.driver == number)) for number in range(len(self.drivers)))

    def windows(
        self, clips: NDArray[np.int64], offsets: NDArray[np.int64], frames: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Cut windows: landmarks float32 (B, frames, L, 2) and head (B, frames, 4) from `offsets` of `clips`."""
        if ((offsets < 0) | (offsets + frames > self.lengths[clips])).any():
            raise DataError(f"a window of {frames} frames reaches over the end of its clip")
        rows = (self.starts[clips] + offsets)[:, None] + np.arange(frames)
        return self.landmarks[rows].astype(np.float32), self.head[rows]


def build_bank(clips: Iterable[MotionClip]) -> MotionBank:
    """Flatten clips into a bank; drivers are numbered in order of first appearance. Raises DataError without clips."""
    kept: Sequence[MotionClip] = [clip for clip in clips if len(clip.motion)]
    if not kept:
        raise DataError("no motion clips: nothing to train or evaluate on")
    drivers = tuple(dict.fromkeys(clip.driver for clip in kept))
    sessions = {name: number for number, name in enumerate(dict.fromkeys((c.driver, c.session) for c in kept))}
    numbers = {name: number for number, name in enumerate(drivers)}
    lengths = np.array([len(clip.motion) for clip in kept], np.int64)
    return MotionBank(
        landmarks=np.concatenate([clip.motion.landmarks.astype(np.float16) for clip in kept]),
        head=np.concatenate([clip.motion.head for clip in kept]),
        starts=np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64),
        lengths=lengths,
        driver=np.array([numbers[clip.driver] for clip in kept], np.int64),
        session=np.array([sessions[clip.driver, clip.session] for clip in kept], np.int64),
        drivers=drivers,
        keys=tuple(clip.key for clip in kept),
    )


def check_disjoint(train: Sequence[str], held_out: Sequence[str], what: str) -> None:
    """Refuse names (drivers, targets) that appear on both sides. Raises DataError naming some of them."""
    shared = sorted(set(train) & set(held_out))
    if shared:
        raise DataError(f"{what} in both training and evaluation: {', '.join(shared[:5])}; the splits must be disjoint")
