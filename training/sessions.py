"""What the training commands do: put material, batches and trainer together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

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
)
from training.distributed import local_rank, process_group, processes, rank, was_restarted
from training.errors import CheckpointError, DataError
from training.fit import CHECKPOINT, FitConfig, Run, Source, continue_with, fit, resume, start
from training.models.registry import NetworkKind, network_kind
from training.models.streaming import TEMPORAL_MARGIN
from training.positions import kept_positions

_TARGETS_PER_BATCH = 4
_REFINED_WINDOWS = (32, 64)
"""Short ones for people whose clips are short."""
_REFINED_DECAY = 0.1
"""Some hundred people are learnt by heart within a minute: unseen ones do best with a strong decay and few steps."""


@dataclass(frozen=True, slots=True)
class FitSession:
    """One end-to-end run as the command line gives it.

    precision: None = bf16 on GPUs, fp32 on CPUs. begin: a run of the same network whose weights to begin with.
    Raises TrainingError for an unknown network, and DataError for windows that are too short for it.
    """

    network: str
    steps: int
    minutes: float | None
    frames: int
    windows: tuple[int, ...]
    device: str
    precision: Literal["fp32", "bf16"] | None
    compile: bool
    seed: int
    threads: int
    generators: tuple[str, ...] = ("mesh_warp",)
    face_mesh: Path | None = None
    begin: Path | None = None

    def __post_init__(self) -> None:
        if min(self.windows) < self.kind.shortest:
            raise DataError(
                f"the network {self.network!r} needs windows of {self.kind.shortest} frames or more, "
                f"got {min(self.windows)}"
            )

    @property
    def kind(self) -> NetworkKind:
        return network_kind(self.network)


def training_material(data: Path | None, portraits: Path | None, seeds: int, puppets: int) -> Material:
    """All training drivers, with the variants of real ones, and faces."""
    return load_material("train", Extent(seeds=seeds, puppets=puppets, variants=True), data, portraits)


def fit_run(material: Material | Path, session: FitSession, out: Path, *, resume_run: bool) -> Run:
    """Train into `out` on drivers and faces, or on a folder of rendered clips; there, the streaming network learns
    motion alone.

    Where torchrun started several processes, each is one of them; those that it restarts go on from the checkpoint.
    Raises CheckpointError rather than write over another run, or go on with one of another network.
    """
    torch.set_num_threads(session.threads)
    device = _device(session.device)
    with process_group(device.type):
        source, speeds = _source(material, session, device)
        if resume_run or (was_restarted() and (out / CHECKPOINT).exists()):
            run = resume(out, device)
            _refuse_other_network(run, session, out)
        else:
            _refuse_other_run(out)
            run = _begun(_config(material, session), session, speeds, device)
        fit(run, source, out)
    return run


def _begun(config: FitConfig, session: FitSession, speeds: int, device: torch.device) -> Run:
    if session.begin is None:
        return start(config, speeds, device)
    earlier = resume(session.begin, device)
    _refuse_other_network(earlier, session, session.begin)
    return continue_with(earlier, config, embedding_only=False)


def _config(material: Material | Path, session: FitSession) -> FitConfig:
    motion_only = isinstance(material, Path) and session.kind.tells_speed
    return FitConfig(
        network=session.network,
        steps=session.steps,
        minutes=session.minutes,
        precision=session.precision or ("bf16" if session.device == "cuda" else "fp32"),
        compile=session.compile,
        identity_weight=0.0 if motion_only else 1.0,
        seed=session.seed,
    )


def _source(material: Material | Path, session: FitSession, device: torch.device) -> tuple[Source, int]:
    """Where this process's part of each batch comes from, and how many speeds it tells."""
    if isinstance(material, Path):
        stored = load_stored(material)
        whole = _stored_source(stored, session)
        return lambda step: whole(step).part(rank(), processes()), stored[0].speed.shape[2]
    sampler = _sampler(material, session.windows, session.frames, session.seed, session.generators)
    scale = speed_scale(material.bank)
    render = renderer(material.targets, device, session.generators, session.face_mesh)
    maker = BatchMaker(sampler, material.bank, render, device, ChannelRange(), scale, rank(), processes())
    return maker, len(scale)


def _stored_source(stored: tuple[StoredClips, ...], session: FitSession) -> Source:
    """Any windows to learn motion from, or mixtures in which drivers can be contrasted."""
    if session.kind.tells_speed:
        frames = session.windows[0]
        return WindowsOfFrames(stored, frames, max(1, session.frames // frames), ChannelRange(), session.seed)
    windows = (1,) if session.kind.reads == "one frame" else session.windows
    channel = None if session.kind.reads == "landmarks" else ChannelRange()
    return WindowsOfBatches(stored, windows, session.frames, channel, session.seed)


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
    face_mesh: Path | None = None,
) -> None:
    """Render batches of uncoded clips into a folder, for `fit` to learn from again and again."""
    torch.set_num_threads(threads)
    device = torch.device("cpu")
    sampler = _sampler(material, windows, frames, seed, generators)
    render = renderer(material.targets, device, generators, face_mesh)
    store_batches(BatchMaker(sampler, material.bank, render, device, None, speed_scale(material.bank)), batches, out)


def refine_run(first: Path, clips: Path, out: Path, *, steps: int, frames: int, seed: int, threads: int) -> Run:
    """Train the embedding of the run in `first` to contrast drivers, on stored positions, into `out`."""
    torch.set_num_threads(threads)
    _refuse_other_run(out)
    earlier = resume(first, torch.device("cpu"))
    earlier.streaming()  # refuses another network before hours of work
    positions = kept_positions(first, clips, out, seed, threads)
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
    return torch.device("cuda", local_rank()) if name == "cuda" else torch.device(name)


def _refuse_other_run(out: Path) -> None:
    if (out / CHECKPOINT).exists():
        raise CheckpointError(f"{out} already holds a run; name another folder, or go on with --resume")


def _refuse_other_network(run: Run, session: FitSession, out: Path) -> None:
    if run.config.network != session.network:
        raise CheckpointError(
            f"{out} holds a run of the network {run.config.network!r}, not {session.network!r}; "
            f"give --network {run.config.network}, or name another folder"
        )
