"""What the training commands do: put material, batches and trainer together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast

import torch

from training.data.batches import BatchMaker, speed_scale
from training.data.channel import ChannelRange
from training.data.feature_maps import MixedMaps, map_batches
from training.data.material import Extent, Material, load_material, renderer
from training.data.sampler import CrossedSampler
from training.errors import CheckpointError, DataError
from training.fit import CHECKPOINT, FitConfig, Run, continue_with, fit, resume, start
from training.models.streaming import StreamingFeatDiff

_TARGETS_PER_BATCH = 4
_STORED_CLIPS = 32
_STORED_FRAMES = (36, 136)
"""Short ones for people whose clips are short; long ones hold two windows of 64 frames with room to move."""


@dataclass(frozen=True, slots=True)
class FitSession:
    """One end-to-end run as the command line gives it."""

    network: str
    steps: int
    minutes: float | None
    frames: int
    windows: tuple[int, ...]
    device: str
    compile: bool
    seed: int
    threads: int


def training_material(data: Path | None, portraits: Path | None, seeds: int, puppets: int) -> Material:
    """All training drivers and faces."""
    return load_material("train", Extent(seeds=seeds, puppets=puppets), data, portraits)


def fit_run(material: Material, session: FitSession, out: Path, *, resume_run: bool) -> Run:
    """Train end to end into `out`. Raises CheckpointError rather than write over another run."""
    torch.set_num_threads(session.threads)
    device = _device(session.device)
    sampler = _sampler(material, session.windows, session.frames, session.seed)
    scale = speed_scale(material.bank)
    render = renderer(material.targets, device)
    source = BatchMaker(sampler, material.bank, render, device, ChannelRange(), scale)
    if resume_run:
        run = resume(out, device)
    else:
        _refuse_other_run(out)
        config = FitConfig(
            network=cast("Literal['streaming', 'static']", session.network),
            steps=session.steps,
            minutes=session.minutes,
            compile=session.compile,
            seed=session.seed,
        )
        run = start(config, len(scale), device)
    fit(run, source, out)
    return run


def refine_run(
    material: Material, first: Path, out: Path, *, batches: int, minutes: float, frames: int, seed: int, threads: int
) -> Run:
    """Train the head of the run in `first` on stored maps, into `out`."""
    torch.set_num_threads(threads)
    _refuse_other_run(out)
    device = torch.device("cpu")
    earlier = resume(first, device)
    network = earlier.trainee.network
    if not isinstance(network, StreamingFeatDiff):
        raise CheckpointError(f"{first} holds the STATIC control, which has no head to refine")
    stored = []
    for place, length in enumerate(_STORED_FRAMES):
        sampler = _sampler(material, (length,), _STORED_CLIPS * length, seed + 100 * place)
        scale = speed_scale(material.bank)
        source = BatchMaker(sampler, material.bank, renderer(material.targets, device), device, ChannelRange(), scale)
        stored += list(map_batches(network, source, max(1, round(batches * (1 + place) / 3))))
    config = replace(earlier.config, minutes=minutes, compile=False, seed=seed)
    run = continue_with(earlier, config, keep_backbone=True)
    fit(run, MixedMaps(tuple(stored), (32, 64), frames, seed), out)
    return run


def _sampler(material: Material, windows: tuple[int, ...], frames: int, seed: int) -> CrossedSampler:
    targets = tuple(range(len(material.targets)))
    return CrossedSampler(material.bank, material.groups, targets, windows, _TARGETS_PER_BATCH, frames, seed)


def _device(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise DataError("no CUDA device here; leave --device out to train on the CPU")
    return torch.device(name)


def _refuse_other_run(out: Path) -> None:
    if (out / CHECKPOINT).exists():
        raise CheckpointError(f"{out} already holds a run; name another folder, or go on with --resume")
