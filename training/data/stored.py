"""Rendered clips kept on disk and in memory, so that a CPU renders each of them once and learns from it many times.

On a CPU rendering takes almost as long as learning. Windows are cut at a new place and pass through a newly drawn call
each time, which keeps a few thousand clips from being learnt by heart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray

from training.data.array_file import save_arrays
from training.data.batches import Batch
from training.data.channel import ChannelRange, pass_through_call
from training.errors import DataError
from training.models.streaming import StreamingFeatDiff

_CLIPS_AT_ONCE = 1
"""So that a thread's maps stay in its caches: a third faster than four at once (measured)."""


@dataclass(frozen=True, slots=True)
class StoredClips:
    """Clips of one length.

    inputs: uint8 frames (n, T, 128, 128) or float positions (n, T - 5, size). speed: float16 (n, T - 5, S) and
    landmarks: float16 (n, T, L, 2), as in Batch. driver, face: int64 (n,), numbers as in the material that they were
    rendered from. generator: names as in Batch.
    """

    inputs: NDArray[np.uint8] | NDArray[np.float32]
    speed: NDArray[np.float16]
    driver: NDArray[np.int64]
    face: NDArray[np.int64]
    landmarks: NDArray[np.float16]
    generator: tuple[str, ...] = ()

    def save(self, path: Path) -> None:
        """Write what `load` reads."""
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        save_arrays(path, {**arrays, "generator": np.array(self.generator, np.str_)})

    @classmethod
    def load(cls, path: Path) -> StoredClips:
        """Raises DataError for a file that is none of these."""
        try:
            with path.open("rb") as file, np.load(file) as arrays:
                inputs = arrays["inputs"]
                # Files from before the mixture tell neither generator nor landmarks.
                names = arrays["generator"].tolist() if "generator" in arrays else []
                landmarks = arrays.get("landmarks", np.zeros((*inputs.shape[:2], 0, 2), np.float16))
                return cls(inputs, arrays["speed"], arrays["driver"], arrays["face"], landmarks, tuple(names))
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise DataError(f"{path} holds no rendered clips ({error}); delete it and render again") from error


def store_batches(source: Callable[[int], Batch], count: int, out: Path) -> None:
    """Render the first `count` batches of a source into a folder; those that are there already are kept."""
    out.mkdir(parents=True, exist_ok=True)
    for step in range(count):
        path = out / f"{step:04d}.npz"
        if path.exists():
            continue
        batch = source(step)
        StoredClips(
            batch.inputs.clamp(0, 255).round().to(torch.uint8).cpu().numpy(),
            batch.speed.to(torch.float16).cpu().numpy(),
            batch.driver.cpu().numpy(),
            batch.face.cpu().numpy(),
            batch.landmarks.to(torch.float16).cpu().numpy(),
            batch.generator,
        ).save(path)


def load_stored(folder: Path) -> tuple[StoredClips, ...]:
    """The batches of a folder. Raises DataError for a folder without any."""
    return tuple(StoredClips.load(path) for path in stored_files(folder))


def stored_files(folder: Path) -> list[Path]:
    """The files of a folder's batches. Raises DataError for a folder without any."""
    files = [path for path in sorted(folder.glob("*.npz")) if not path.name.endswith(".part.npz")]
    if not files:
        raise DataError(f"no rendered clips in {folder}; make some with `guard-train render --out {folder}`")
    return files


@torch.no_grad()
def stored_positions(network: StreamingFeatDiff, clips: StoredClips, channel: ChannelRange, seed: int) -> StoredClips:
    """What the network makes of stored frames that went through a call: the same clips with positions for frames."""
    network.eval()
    generator = torch.Generator().manual_seed(seed)
    parts = []
    for first in range(0, len(clips.driver), _CLIPS_AT_ONCE):
        frames = torch.from_numpy(clips.inputs[first : first + _CLIPS_AT_ONCE]).float()
        parts.append(network.embed_positions(pass_through_call(frames, generator, channel)).values.numpy())
    return replace(clips, inputs=np.concatenate(parts))


@dataclass(frozen=True, slots=True)
class WindowsOfFrames:
    """Batches of windows from anywhere in stored frames, each through a call of its own; a clip counts by its length.

    Drawn without regard to driver and face: right for learning motion, not for contrasting people.
    """

    stored: tuple[StoredClips, ...]
    frames: int
    clips_per_batch: int
    channel: ChannelRange | None
    seed: int

    def __call__(self, step: int) -> Batch:
        """The batch of a step, the same each time. Raises DataError where no clip is as long as a window."""
        random = np.random.default_rng([self.seed, step])
        long_enough = _long_enough(self.stored, self.frames)
        weight = np.array([clips.inputs.shape[0] * clips.inputs.shape[1] for clips in long_enough], np.float64)
        chosen = random.choice(len(long_enough), size=self.clips_per_batch, p=weight / weight.sum())
        parts = []
        for place in chosen:
            clips = long_enough[place]
            clip = random.integers(len(clips.driver), size=1)
            parts.append(
                _cut(clips, clip, random.integers(clips.inputs.shape[1] - self.frames + 1, size=1), self.frames)
            )
        return through_call(join(parts), self.channel, self.seed * 1_000_003 + step)


@dataclass(frozen=True, slots=True)
class WindowsOfBatches:
    """Batches mixed from stored ones: within each the same faces have different drivers, across them all differ.

    windows: lengths to mix. frames_per_batch: how many frames a mixture holds at most, about; where one
    stored batch holds more, some of its drivers on two of its faces take its place.
    """

    stored: tuple[StoredClips, ...]
    windows: tuple[int, ...]
    frames_per_batch: int
    channel: ChannelRange | None
    seed: int

    def __call__(self, step: int) -> Batch:
        """The mixture of a step, the same each time. Raises DataError where no clip is as long as a window."""
        random = np.random.default_rng([self.seed, step])
        frames = int(random.choice(self.windows))
        parts: list[Batch] = []
        filled = 0
        for place in random.permutation(len(long_enough := _long_enough(self.stored, frames))):
            part = _spread(long_enough[place], random, frames)
            if filled + len(part.driver) * frames > self.frames_per_batch:
                if not parts:
                    parts.append(_pairs(long_enough[place], random, frames, self.frames_per_batch // frames))
                break
            parts.append(part)
            filled += len(part.driver) * frames
        return through_call(join(parts), self.channel, self.seed * 1_000_003 + step)


def through_call(batch: Batch, channel: ChannelRange | None, seed: int) -> Batch:
    """The same batch after a drawn call; None = as it is."""
    if channel is None:
        return batch
    return replace(batch, inputs=pass_through_call(batch.inputs, torch.Generator().manual_seed(seed), channel))


def join(parts: Sequence[Batch]) -> Batch:
    """One batch of several with windows of one length."""
    known = min(part.landmarks.shape[2] for part in parts)
    return Batch(
        torch.cat([part.inputs for part in parts]),
        torch.cat([part.driver for part in parts]),
        torch.cat([part.face for part in parts]),
        torch.cat([part.speed for part in parts]),
        torch.cat([part.landmarks[:, :, :known] for part in parts]),
        tuple(name for part in parts for name in part.generator) if all(part.generator for part in parts) else (),
    )


def _long_enough(stored: Sequence[StoredClips], frames: int) -> list[StoredClips]:
    found = [clips for clips in stored if clips.inputs.shape[1] >= frames]
    if not found:
        raise DataError(f"no stored clip holds a window of {frames} frames")
    return found


def _spread(clips: StoredClips, random: np.random.Generator, frames: int) -> Batch:
    """Windows from each clip of a stored batch, each at its own place; two that do not touch where a clip holds two.

    The second window gives every clip a positive on the same face, the easier half of what has to be learnt.
    """
    length, count = clips.inputs.shape[1], len(clips.driver)
    pieces = max(1, min(2, length // frames))
    room = length // pieces - frames
    starts = [length // pieces * piece + random.integers(room + 1, size=count) for piece in range(pieces)]
    return _cut(clips, np.tile(np.arange(count), pieces), np.concatenate(starts), frames)


def _pairs(clips: StoredClips, random: np.random.Generator, frames: int, count: int) -> Batch:
    """`count` windows, each from another clip, at their own places: as many drivers as fit, on two of the faces.

    Two faces are what a positive and the negatives of its face need; every further one would cost drivers.
    """
    faces = random.permutation(np.unique(clips.face))[:2]
    drivers = random.permutation(np.unique(clips.driver))[: max(2, count // len(faces))]
    chosen = np.flatnonzero(np.isin(clips.face, faces) & np.isin(clips.driver, drivers))
    return _cut(clips, chosen, random.integers(clips.inputs.shape[1] - frames + 1, size=len(chosen)), frames)


def _cut(clips: StoredClips, clip: NDArray[np.int64], start: NDArray[np.int64], frames: int) -> Batch:
    """The windows of these clips that begin at these places, with the speeds that lie inside."""
    rows = start[:, None] + np.arange(frames)
    inside = rows[:, : max(0, frames - (clips.inputs.shape[1] - clips.speed.shape[1]))]
    return Batch(
        torch.from_numpy(clips.inputs[clip[:, None], rows]).float(),
        torch.from_numpy(clips.driver[clip]),
        torch.from_numpy(clips.face[clip]),
        torch.from_numpy(clips.speed[clip[:, None], inside]).float(),
        torch.from_numpy(clips.landmarks[clip[:, None], rows]).float(),
        tuple(clips.generator[number] for number in clip) if clips.generator else (),
    )
