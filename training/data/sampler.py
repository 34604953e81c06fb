"""Batches in which only motion can tell drivers apart: every driver of a batch drives every face of the batch.

The published sampler draws videos of a driver as they come, so a network may lean on appearance. Here P drivers are
crossed with K targets: each target's K-th column holds P different drivers (negatives of the same face), and each
driver's row holds K different targets and, as far as the driver has them, K different sessions (positives that share
nothing but the driver).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.data.bank import MotionBank
from training.errors import DataError


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """What one batch shows, before anything is rendered; arrays (B,), B = drivers x targets, driver-major.

    driver: label, index into the bank's drivers. clip, offset: where the window lies in the bank. target: index into
    the target set. generator: index into the sampler's. frames: length of every window.
    """

    driver: NDArray[np.int64]
    clip: NDArray[np.int64]
    offset: NDArray[np.int64]
    target: NDArray[np.int64]
    generator: NDArray[np.int64]
    frames: int

    def part(self, number: int, parts: int) -> BatchPlan:
        """Every parts-th clip from `number` on; those that would make parts unequal are left out."""
        rows = slice(number, len(self.driver) // parts * parts, parts)
        return BatchPlan(
            self.driver[rows],
            self.clip[rows],
            self.offset[rows],
            self.target[rows],
            self.generator[rows],
            self.frames,
        )


@dataclass(frozen=True, slots=True)
class CrossedSampler:
    """Draws crossed batches; the plan of a step depends on seed and step alone, so a run resumes exactly.

    groups: driver numbers by origin (real people, procedural seeds), drawn half and half as far as they reach.
    targets: indices that may appear. windows: window lengths to mix; the number of drivers shrinks as windows grow, so
    that a batch always holds about `frames_per_batch` frames. generators: names of those that render; each face of a
    batch has one, so that negatives share it and positives do not.
    """

    bank: MotionBank
    groups: tuple[tuple[int, ...], ...]
    targets: tuple[int, ...]
    windows: tuple[int, ...]
    targets_per_batch: int
    frames_per_batch: int
    seed: int
    generators: tuple[str, ...] = ("mesh_warp",)

    def plan(self, step: int) -> BatchPlan:
        """The batch of a step. Raises DataError where drivers or targets are too few to contrast."""
        random = np.random.default_rng([self.seed, step])
        frames = int(random.choice(self.windows))
        drivers = self._draw_drivers(random, frames)
        count = min(self.targets_per_batch, len(self.targets))
        if len(drivers) < 2 or count < 2:
            raise DataError(
                f"a batch needs 2 drivers and 2 targets at least; windows of {frames} frames leave "
                f"{len(drivers)} drivers, and there are {count} targets"
            )
        targets = random.choice(np.array(self.targets, np.int64), size=count, replace=False)
        clips, offsets = self._draw_windows(random, drivers, count, frames)
        generators = np.resize(random.permutation(len(self.generators)), count)
        target, generator = np.tile(targets, len(drivers)), np.tile(generators, len(drivers))
        return BatchPlan(np.repeat(drivers, count), clips, offsets, target, generator, frames)

    def _draw_drivers(self, random: np.random.Generator, frames: int) -> NDArray[np.int64]:
        wanted = max(2, self.frames_per_batch // (frames * self.targets_per_batch))
        long_enough = np.unique(self.bank.driver[self.bank.lengths >= frames])
        pools = [np.intersect1d(np.array(group, np.int64), long_enough) for group in self.groups]
        drawn: list[NDArray[np.int64]] = []
        for left, pool in zip(range(len(pools), 0, -1), sorted(pools, key=len), strict=True):
            share = (wanted - sum(map(len, drawn))) // left
            drawn.append(random.permutation(pool)[:share])
        return np.concatenate(drawn)

    def _draw_windows(
        self, random: np.random.Generator, drivers: NDArray[np.int64], count: int, frames: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        eligible = self.bank.eligible(frames)
        clips, offsets = [], []
        for driver in drivers:
            chosen = self._spread_over_sessions(random, eligible[driver], count)
            clips.append(chosen)
            offsets.append(self._spread_within_clips(random, chosen, frames))
        return np.concatenate(clips), np.concatenate(offsets)

    def _spread_over_sessions(
        self, random: np.random.Generator, clips: NDArray[np.int64], count: int
    ) -> NDArray[np.int64]:
        """`count` clips, a new session each time while there is one; clips repeat only when all were used."""
        shuffled = random.permutation(clips)
        session = self.bank.session[shuffled]
        turn = np.array([int((session[:index] == session[index]).sum()) for index in range(len(shuffled))])
        return np.resize(shuffled[np.argsort(turn, kind="stable")], count)

    def _spread_within_clips(
        self, random: np.random.Generator, clips: NDArray[np.int64], frames: int
    ) -> NDArray[np.int64]:
        """Offsets: a clip used n times gives one window from each n-th of it, so that positives overlap little."""
        offsets = np.zeros(len(clips), np.int64)
        for clip in np.unique(clips):
            used = np.flatnonzero(clips == clip)
            room = int(self.bank.lengths[clip]) - frames
            positions = (np.arange(len(used)) + random.random(len(used))) / len(used)
            offsets[used] = random.permutation(np.minimum((positions * (room + 1)).astype(np.int64), room))
        return offsets
