"""Feature maps of rendered batches, kept in memory: training the head again and again without the backbone.

On a CPU rendering and backbone take five sixths of a step. Once the backbone is good, its maps of a few hundred
batches are made once; the head then sees them in ever new mixtures of drivers, at ever new places in time. Rendering,
call and backbone stay exactly those of full training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from training.data.batches import Batch
from training.errors import DataError
from training.models.step_graphs import step_graphs
from training.models.streaming import TEMPORAL_MARGIN, StreamingFeatDiff

_FRAMES_AT_ONCE = 32


def map_batches(model: StreamingFeatDiff, source: Callable[[int], Batch], count: int) -> Iterator[Batch]:
    """The first `count` batches of a source with float16 maps in place of their frames, on the CPU."""
    backbone = step_graphs(model).backbone
    for step in range(count):
        batch = source(step)
        frames = batch.inputs.round().to(torch.uint8).cpu()
        maps = torch.empty((*frames.shape[:2], *_map_shape(backbone, frames)), dtype=torch.float16)
        flat, filled = frames.flatten(0, 1), maps.flatten(0, 1)
        with torch.inference_mode():
            for first in range(0, len(flat), _FRAMES_AT_ONCE):
                rows = slice(first, first + _FRAMES_AT_ONCE)
                filled[rows] = backbone(flat[rows]).half()
        yield Batch(maps, batch.driver.cpu(), batch.face.cpu(), batch.speed.cpu())


def _map_shape(backbone: torch.nn.Module, frames: Tensor) -> torch.Size:
    with torch.inference_mode():
        shape: torch.Size = backbone(frames[0, :1]).shape[1:]
    return shape


@dataclass(frozen=True, slots=True)
class MixedMaps:
    """Batches mixed from stored ones: within each the same faces have different drivers, across them all differ.

    stored: batches with maps. windows: lengths to mix. frames_per_batch: how many frames a mixture holds, about.
    """

    stored: tuple[Batch, ...]
    windows: tuple[int, ...]
    frames_per_batch: int
    seed: int

    def __call__(self, step: int) -> Batch:
        """The mixture of a step. Raises DataError where no stored batch is as long as a window."""
        random = np.random.default_rng([self.seed, step])
        frames = int(random.choice(self.windows))
        long_enough = [batch for batch in self.stored if batch.inputs.shape[1] >= frames]
        if not long_enough:
            raise DataError(f"no stored batch holds a window of {frames} frames")
        parts: list[Batch] = []
        filled = 0
        for place in random.permutation(len(long_enough)):
            part = _cut(long_enough[place], random, frames)
            if parts and filled + len(part.driver) * frames > self.frames_per_batch:
                break
            parts.append(part)
            filled += len(part.driver) * frames
        return Batch(
            torch.cat([part.inputs for part in parts]).float(),
            torch.cat([part.driver for part in parts]),
            torch.cat([part.face for part in parts]),
            torch.cat([part.speed for part in parts]),
        )


def _cut(batch: Batch, random: np.random.Generator, frames: int) -> Batch:
    """Windows from each clip of a stored batch, each at its own place; two that do not touch where a clip holds two.

    The second window gives every clip a positive on the same face, the easier half of what has to be learnt.
    """
    length, clips = batch.inputs.shape[1], len(batch.driver)
    pieces = max(1, min(2, length // frames))
    room = length // pieces - frames
    offsets = [length // pieces * piece + random.integers(room + 1, size=clips) for piece in range(pieces)]
    rows = torch.from_numpy(np.concatenate(offsets))[:, None] + torch.arange(frames)
    clip = torch.arange(clips).repeat(pieces)[:, None]
    speed = batch.speed[clip, rows[:, : frames - TEMPORAL_MARGIN]]
    return Batch(batch.inputs[clip, rows], batch.driver.repeat(pieces), batch.face.repeat(pieces), speed)
