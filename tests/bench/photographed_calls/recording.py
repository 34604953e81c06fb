"""Everybody on one photographed face, in a simulated call, as the guard's own tracker process follows it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from guard.config import ExpressionsConfig, load_config
from guard.expressions.thinning import Thinning
from guard.expressions.tracker_link import TrackerLink
from guard.expressions.waiting_frames import WaitingFrame
from training.data.bank import MotionClip
from training.data.channel import ChannelRange, pass_through_call
from training.data.material import procedural_clips, real_clips, targets_of
from training.drivers.seeds import split_seeds
from training.drivers.tracks import MOTION_FPS, Split
from training.evaluation.witness_calls import SIDES
from training.generators.generator import Generator, make_generator
from training.generators.targets import TargetSet
from training.generators.views import random_views

_TAKES, _TAKE_SECONDS = 2, 20.0
_SHORTEST_SECONDS = 6.0
"""Of a side of a real person: a window of every witness fits in."""
_AT_ONCE = 60


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recording. frames: uint8 (n, 128, 128), as they arrived.

    seconds, blendshapes, signals, found: the tracker's samples, (m,), (m, 52), (m, 17), (m,).
    """

    frames: NDArray[np.uint8]
    seconds: NDArray[np.float64]
    blendshapes: NDArray[np.float32]
    signals: NDArray[np.float32]
    found: NDArray[np.bool_]

    @property
    def length_seconds(self) -> float:
        """By its frames."""
        return len(self.frames) / MOTION_FPS


def recordings(split: Split, seeds: int, data: Path | None) -> Iterator[tuple[str, list[MotionClip], list[MotionClip]]]:
    """Of each driver: what enrols them and what probes, real people first."""
    people: dict[str, list[MotionClip]] = {}
    for clip in real_clips(data, split) if data is not None else ():
        if len(clip.motion) >= _SHORTEST_SECONDS * MOTION_FPS:
            people.setdefault(clip.driver, []).append(clip)
    for name, clips in people.items():
        sessions = list(dict.fromkeys(clip.session for clip in clips))
        if len(sessions) > 1:
            enrol = [clip for clip in clips if clip.session in sessions[::2]]
            yield name, enrol, [clip for clip in clips if clip not in enrol]
        elif len(clips[0].motion) >= 2 * _SHORTEST_SECONDS * MOTION_FPS:
            half = len(clips[0].motion) // 2
            yield name, [_part(clips[0], 0, half)], [_part(clips[0], half, len(clips[0].motion))]
    for seed in split_seeds(split, seeds):
        enrol_take, probe_take = procedural_clips(seed, _TAKES, _TAKE_SECONDS)
        yield f"seed_{seed}", [enrol_take], [probe_take]


def _part(clip: MotionClip, first: int, end: int) -> MotionClip:
    motion = replace(clip.motion, landmarks=clip.motion.landmarks[first:end], head=clip.motion.head[first:end])
    return MotionClip(clip.driver, clip.session, clip.key, motion)


class Recorder:
    """Renders recordings on one face and tracks them."""

    def __init__(self, generator: Generator, target: int, tracker: ExpressionsConfig) -> None:
        self._generator, self._target = generator, target
        self._rate_hz = tracker.rate_hz
        self._link = TrackerLink(tracker, 1)
        self._link.wait_ready()
        self._track = 0

    def close(self) -> None:
        self._link.close()

    def record(self, clip: MotionClip, seed: int) -> Recorded:
        """Every due frame to the tracker."""
        self._track += 1
        thinning = Thinning(self._rate_hz)
        frames, samples = self._frames(clip, seed), []
        for number, frame in enumerate(frames):
            seconds = (number + 1) / MOTION_FPS
            if thinning.takes(seconds, seconds):
                reply = self._link.track(WaitingFrame(self._track, seconds, frame))
                samples.append((seconds, reply.blendshapes, reply.signals, reply.found))
        self._link.forget(self._track)
        return Recorded(
            frames,
            np.array([sample[0] for sample in samples]),
            np.array([sample[1] for sample in samples], np.float32),
            np.array([sample[2] for sample in samples], np.float32),
            np.array([sample[3] for sample in samples]),
        )

    def _frames(self, clip: MotionClip, seed: int) -> NDArray[np.uint8]:
        """The rendered clip after the channel, uint8 (n, 128, 128)."""
        random = torch.Generator().manual_seed(seed)
        view = random_views(1, random)
        target = torch.tensor([self._target])
        parts = []
        for first in range(0, len(clip.motion), _AT_ONCE):
            rows = slice(first, first + _AT_ONCE)
            landmarks = torch.from_numpy(clip.motion.landmarks[rows].astype(np.float32))[None]
            head = torch.from_numpy(clip.motion.head[rows].astype(np.float32))[None]
            parts.append(self._generator.render(target, landmarks, head, view).float())
        arrived = pass_through_call(torch.cat(parts, dim=1), random, ChannelRange())
        frames: NDArray[np.uint8] = arrived[0].round().clamp(0, 255).to(torch.uint8).numpy()
        return frames


def record(folder: Path, split: Split, portraits: Path, data: Path | None, *, seeds: int, target: int) -> None:
    """Record everybody of a split into a folder; who is there already is kept."""
    torch.set_num_threads(1)
    targets = targets_of(TargetSet.load(portraits), split)
    generator = make_generator("mesh_warp", targets, torch.device("cpu"))
    recorder = Recorder(generator, target, load_config().expressions)
    folder.mkdir(parents=True, exist_ok=True)
    for number, (name, enrol, probe) in enumerate(recordings(split, seeds, data)):
        path = folder / f"{split}_{name}.npz"
        if path.exists():
            continue
        kept: dict[str, Any] = {}
        for side, clips in zip(SIDES, (enrol, probe), strict=True):
            for part, clip in enumerate(clips):
                recorded = recorder.record(clip, 1000 * number + 10 * part + SIDES.index(side))
                kept |= {f"{side}_{part}_{field}": getattr(recorded, field) for field in Recorded.__slots__}
        np.savez_compressed(path, **kept)
        sys.stdout.write(f"{path.name}: {sum(len(clip.motion) for clip in (*enrol, *probe)) / MOTION_FPS:.0f} s\n")
        sys.stdout.flush()
    recorder.close()


def load_recorded(path: Path) -> tuple[list[Recorded], list[Recorded]]:
    """Both sides of a driver."""
    with np.load(path) as found:
        arrays = {name: found[name] for name in found.files}
    sides = []
    for side in SIDES:
        parts = sorted({int(name.split("_")[1]) for name in arrays if name.startswith(side)})
        sides.append([Recorded(*(arrays[f"{side}_{part}_{field}"] for field in Recorded.__slots__)) for part in parts])
    return sides[0], sides[1]
