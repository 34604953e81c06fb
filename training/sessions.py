"""What the training commands do: put material, batches and trainer together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast

import torch

from training.data.batches import BatchMaker, speed_scale
from training.data.channel import ChannelRange
from training.data.material import Extent, Material, load_material, renderer
from training.data.sampler import CrossedSampler
from training.data.stored import (
    StoredClips,
    WindowsOfBatches,
    WindowsOfFrames,
    load_stored,
    store_batches,
    stored_positions,
)
from training.errors import CheckpointError, DataError
from training.fit import CHECKPOINT, FitConfig, Run, Source, continue_with, fit, resume, start
from training.models.streaming import TEMPORAL_MARGIN, StreamingFeatDiff

_TARGETS_PER_BATCH = 4
_REFINED_WINDOWS = (32, 64)
"""Short ones for people whose clips are short."""
_REFINED_DECAY = 0.1
"""Some hundred people are learnt by heart within a minute: unseen ones do best with a strong decay and few steps."""


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
    generators: tuple[str, ...] = ("mesh_warp",)


def training_material(data: Path | None, portraits: Path | None, seeds: int, puppets: int) -> Material:
    """All training drivers and faces."""
    return load_material("train", Extent(seeds=seeds, puppets=puppets), data, portraits)


def fit_run(material: Material | Path, session: FitSession, out: Path, *, resume_run: bool) -> Run:
    """Train into `out`: end to end on drivers and faces, or motion alone on a folder of rendered clips.

    Raises CheckpointError rather than write over another run.
    """
    torch.set_num_threads(session.threads)
    device = _device(session.device)
    source, speeds = _source(material, session, device)
    if resume_run:
        run = resume(out, device)
    else:
        _refuse_other_run(out)
        motion_only = isinstance(material, Path) and session.network == "streaming"
        config = FitConfig(
            network=cast("Literal['streaming', 'static']", session.network),
            steps=session.steps,
            minutes=session.minutes,
            compile=session.compile,
            identity_weight=0.0 if motion_only else 1.0,
            seed=session.seed,
        )
        run = start(config, speeds, device)
    fit(run, source, out)
    return run


def _source(material: Material | Path, session: FitSession, device: torch.device) -> tuple[Source, int]:
    """Where batches come from, and how many speeds they tell."""
    if isinstance(material, Path):
        stored = load_stored(material)
        speeds = stored[0].speed.shape[2]
        if session.network == "static":
            return WindowsOfBatches(stored, (1,), session.frames, ChannelRange(), session.seed), speeds
        frames = session.windows[0]
        clips = max(1, session.frames // frames)
        return WindowsOfFrames(stored, frames, clips, ChannelRange(), session.seed), speeds
    sampler = _sampler(material, session.windows, session.frames, session.seed, session.generators)
    scale = speed_scale(material.bank)
    render = renderer(material.targets, device, session.generators)
    return BatchMaker(sampler, material.bank, render, device, ChannelRange(), scale), len(scale)


def render_clips(
    material: Material,
    out: Path,
    *,
    batches: int,
    windows: tuple[int, ...],
    frames: int,
    seed: int,
    threads: int,
    generators: tuple[str, ...] = ("mesh_warp",),
) -> None:
    """Render batches of uncoded clips into a folder, for `fit` to learn from again and again."""
    torch.set_num_threads(threads)
    device = torch.device("cpu")
    sampler = _sampler(material, windows, frames, seed, generators)
    render = renderer(material.targets, device, generators)
    store_batches(BatchMaker(sampler, material.bank, render, device, None, speed_scale(material.bank)), batches, out)


def refine_run(first: Path, clips: Path, out: Path, *, steps: int, frames: int, seed: int, threads: int) -> Run:
    """Train the embedding of the run in `first` to contrast drivers, on stored positions, into `out`."""
    torch.set_num_threads(threads)
    _refuse_other_run(out)
    earlier = resume(first, torch.device("cpu"))
    network = earlier.trainee.network
    if not isinstance(network, StreamingFeatDiff):
        raise CheckpointError(f"{first} holds the STATIC control, whose embedding was trained with it")
    positions = tuple(
        _kept(out / f"positions_{place:04d}.npz", network, stored, seed * 1009 + place)
        for place, stored in enumerate(load_stored(clips))
    )
    windows = tuple(window - TEMPORAL_MARGIN for window in _REFINED_WINDOWS)
    config = replace(
        earlier.config,
        steps=steps,
        minutes=None,
        identity_weight=1.0,
        weight_decay=_REFINED_DECAY,
        compile=False,
        seed=seed,
    )
    run = continue_with(earlier, config, embedding_only=True)
    fit(run, WindowsOfBatches(positions, windows, frames, None, seed), out)
    return run


def _kept(path: Path, network: StreamingFeatDiff, clips: StoredClips, seed: int) -> StoredClips:
    """The positions of clips, made once: they take longer than the training that follows."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        stored_positions(network, clips, ChannelRange(), seed).save(path)
    return StoredClips.load(path)


def _sampler(
    material: Material, windows: tuple[int, ...], frames: int, seed: int, generators: tuple[str, ...]
) -> CrossedSampler:
    targets = tuple(range(len(material.targets)))
    return CrossedSampler(
        material.bank, material.groups, targets, windows, _TARGETS_PER_BATCH, frames, seed, generators
    )


def _device(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise DataError("no CUDA device here; leave --device out to train on the CPU")
    return torch.device(name)


def _refuse_other_run(out: Path) -> None:
    if (out / CHECKPOINT).exists():
        raise CheckpointError(f"{out} already holds a run; name another folder, or go on with --resume")
