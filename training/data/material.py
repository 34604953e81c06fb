"""What a run draws from: real tracks where there are any, procedural drivers, and faces for both; split by person.

Drivers are split by person (the manifest) or by seed range; targets by their place in the sorted list. A driver or a
face of one split never appears in another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path

import torch
from torch import Tensor

from training.data.bank import MotionBank, MotionClip, build_bank
from training.data.batches import MixedRender
from training.drivers.procedural import ProceduralDriver
from training.drivers.seeds import split_seeds
from training.drivers.tracks import MOTION_FPS, Split, load_tracks
from training.drivers.variants import at_tempo, mirrored
from training.errors import DataError
from training.generators.generator import Generator, make_generator
from training.generators.targets import TargetSet
from training.generators.views import FRAME_PX, ClipViews, random_views
from training.puppets.puppet import puppet_targets

_TEMPOS = (0.8, 1.25)
"""Of people's variants: well outside of how much one person's own tempo changes from day to day."""

_RENDER_FRAMES = 128
"""Frames rendered at once on a CPU, about: few enough to stay in its caches."""

_SEED, _PUPPET = "seed_", "puppet_"


@dataclass(frozen=True, slots=True)
class Material:
    """Drivers and faces of one split. groups: driver numbers of the bank, real people and procedural seeds apart."""

    bank: MotionBank
    groups: tuple[tuple[int, ...], ...]
    targets: TargetSet

    def in_numbers(self) -> dict[str, int]:
        """How many there are of each kind; a person's variants count as that person."""
        procedural = {name for name in self.bank.drivers if name.startswith(_SEED)}
        people = {name.partition("@")[0] for name in self.bank.drivers} - procedural
        puppets = sum(name.startswith(_PUPPET) for name in self.targets.names)
        return {
            "people": len(people),
            "procedural": len(procedural),
            "portraits": len(self.targets) - puppets,
            "puppets": puppets,
        }


@dataclass(frozen=True, slots=True)
class Extent:
    """How much procedural material joins the real one: people (after the first `skip` of the split), takes of each,
    their length, painted faces. variants: real people also count retimed and mirrored, as others."""

    seeds: int = 150
    skip: int = 0
    takes: int = 4
    take_seconds: float = 5.0
    puppets: int = 24
    variants: bool = False


def load_material(split: Split, extent: Extent, data: Path | None, portraits: Path | None) -> Material:
    """Everything of one split. data: folder with tracks/ and faces/; portraits: saved targets; both may be missing.

    Raises DataError where files are unfit or nothing is left to train on.
    """
    real = list(real_clips(data, split)) if data else []
    if extent.variants:
        real = [variant for clip in real for variant in variants_of(clip)]
    seeds = split_seeds(split, extent.skip + extent.seeds)[extent.skip :]
    clips = real + [clip for seed in seeds for clip in procedural_clips(seed, extent.takes, extent.take_seconds)]
    faces = [targets_of(TargetSet.load(portraits), split)] if portraits else []
    if extent.puppets:
        faces.append(puppet_targets(split_seeds(split, extent.puppets)))
    if not faces:
        raise DataError("no targets: give portraits or ask for puppets")
    return build_material(clips, {clip.driver for clip in real}, reduce(TargetSet.joined, faces))


def split_of(place: int) -> Split:
    """Split of the n-th portrait of a saved set: three fifths train, one fifth each validates and tests."""
    splits: tuple[Split, ...] = ("train", "train", "val", "train", "test")
    return splits[place % 5]


def targets_of(targets: TargetSet, split: Split) -> TargetSet:
    """The targets of a split; their order in the set decides."""
    return targets.subset([place for place in range(len(targets)) if split_of(place) == split])


def real_clips(data: Path, split: Split) -> Iterator[MotionClip]:
    """All usable stretches of the people of a split."""
    for track in load_tracks(data):
        if track.split == split:
            yield MotionClip(track.driver, track.session, track.clip, track.motion)


def variants_of(clip: MotionClip) -> Iterator[MotionClip]:
    """A clip, and what it would be of other people: slower, faster, and each of the three in a mirror."""
    for tempo in (1.0, *_TEMPOS):
        motion = clip.motion if tempo == 1 else at_tempo(clip.motion, tempo)
        name = clip.driver if tempo == 1 else f"{clip.driver}@{tempo}"
        yield replace(clip, driver=name, motion=motion)
        yield replace(clip, driver=f"{name}@mirror", motion=mirrored(motion))


def procedural_clips(seed: int, takes: int, seconds: float) -> Iterator[MotionClip]:
    """Takes of one artificial driver, each a session of its own."""
    driver = ProceduralDriver(seed)
    for take in range(takes):
        name = f"{_SEED}{seed}"
        yield MotionClip(name, f"take_{take}", f"{name}/take_{take}", driver.motion(seconds, MOTION_FPS, take))


def build_material(clips: Sequence[MotionClip], real_drivers: set[str], targets: TargetSet) -> Material:
    """Put clips and faces together. Raises DataError without either."""
    bank = build_bank(clips)
    numbers = range(len(bank.drivers))
    real = tuple(number for number in numbers if bank.drivers[number] in real_drivers)
    seeds = tuple(number for number in numbers if bank.drivers[number] not in real_drivers)
    return Material(bank, tuple(group for group in (real, seeds) if group), targets)


def renderer(
    targets: TargetSet,
    device: torch.device,
    generators: Sequence[str] = ("mesh_warp",),
    face_mesh: Path | None = None,
) -> MixedRender:
    """Generators as the batch maker wants them: a random view for each clip, a few clips at a time on a CPU.

    face_mesh: file of the 3-D face model. Raises DataError for the name of a generator that there is not.
    """
    made = [make_generator(name, targets, device, face_mesh) for name in generators]

    def render(
        target: Tensor, landmarks: Tensor, head: Tensor, random: torch.Generator, drawn: Tensor | None = None, /
    ) -> Tensor:
        count = len(target) if device.type == "cuda" else max(1, _RENDER_FRAMES // landmarks.shape[1])
        parts = []
        for first in range(0, len(target), count):
            rows = slice(first, first + count)
            clips = target[rows], landmarks[rows], head[rows], random_views(len(target[rows]), random, device)
            parts.append(made[0].render(*clips) if drawn is None else _mixed(made, drawn[rows], *clips))
        return torch.cat(parts)

    return render


def _mixed(
    generators: Sequence[Generator], drawn: Tensor, target: Tensor, landmarks: Tensor, head: Tensor, views: ClipViews
) -> Tensor:
    """Each clip rendered by the generator drawn for it, int64 (B,): frames (B, T, 128, 128)."""
    frames = landmarks.new_empty(*landmarks.shape[:2], FRAME_PX, FRAME_PX)
    for number, generator in enumerate(generators):
        rows = torch.nonzero(drawn == number).squeeze(1)
        if len(rows):
            frames[rows] = generator.render(target[rows], landmarks[rows], head[rows], views.of(rows))
    return frames
