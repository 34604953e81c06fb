"""What the training commands do: put material, batches and trainer together."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from training.data.batches import BatchMaker, speed_scale
from training.data.channel import ChannelRange
from training.data.material import Extent, Material, load_material, renderer
from training.data.recipe import RECIPE, claim, differences, plain, read_recipe
from training.data.sampler import CrossedSampler
from training.data.stored import (
    StoredClips,
    WindowsOfBatches,
    WindowsOfFrames,
    load_stored,
    store_batches,
    stored_files,
)
from training.discriminant import SIZE as DISCRIMINANT_SIZE
from training.discriminant import discriminant
from training.distributed import local_rank, process_group, processes, rank, was_restarted
from training.errors import CheckpointError, DataError
from training.fit import CHECKPOINT, FitConfig, Run, continue_with, fit, resume, save, start, with_new_embedding
from training.fit import Source as BatchSource
from training.models.registry import NetworkKind, network_kind
from training.models.streaming import TEMPORAL_MARGIN
from training.origin import DRIVERS, EMBEDDING, MOTION, Stage
from training.positions import kept_positions
from training.unfold import unfolded_run

_LOG = logging.getLogger(__name__)

_TARGETS_PER_BATCH = 4
_REFINED_WINDOWS = (32, 64)
"""Short ones for people whose clips are short."""
_RATES = {"adamw": 1e-3, "muon": 2e-3}
_UNFOLDED_BATCHES, _UNFOLDED_WINDOW = 24, 32
_CONFIGURED = ("network", "steps", "minutes", "optimizer", "precision", "compile", "seed")
"""Values of a session that every checkpoint keeps."""
_PATHS = ("face_mesh", "begin", "clips", "data", "portraits")


@dataclass(frozen=True, slots=True)
class Source:
    """What the command line names as material: all training drivers, with the variants of real ones, and faces."""

    data: Path | None
    portraits: Path | None
    seeds: int
    puppets: int

    def load(self) -> Material:
        extent = Extent(seeds=self.seeds, puppets=self.puppets, variants=True)
        return load_material("train", extent, self.data, self.portraits)


@dataclass(frozen=True, slots=True)
class FitSession:
    """One end-to-end run as the command line gives it: all that decides its batches and its steps.

    precision: None = bf16 on GPUs, fp32 on CPUs. begin: a run of the same network whose weights to begin with. clips: a
    folder that `render` filled, in place of data, portraits, seeds and puppets.
    """

    network: str
    steps: int
    minutes: float | None
    frames: int
    windows: tuple[int, ...]
    optimizer: Literal["adamw", "muon"]
    precision: Literal["fp32", "bf16"] | None
    compile: bool
    seed: int
    generators: tuple[str, ...]
    face_mesh: Path | None
    begin: Path | None
    clips: Path | None
    data: Path | None
    portraits: Path | None
    seeds: int
    puppets: int

    @property
    def kind(self) -> NetworkKind:
        return network_kind(self.network)

    @property
    def learns_motion_alone(self) -> bool:
        return self.clips is not None and self.kind.tells_speed

    def source(self) -> Source:
        return Source(self.data, self.portraits, self.seeds, self.puppets)

    def checked(self, given: Collection[str]) -> FitSession:
        """The same, with the one length of windows where motion alone is learnt.

        Raises TrainingError for an unknown network, and DataError for windows that it cannot learn from.
        """
        if min(self.windows) < self.kind.shortest:
            raise DataError(
                f"the network {self.network!r} needs windows of {self.kind.shortest} frames or more, "
                f"got {min(self.windows)}"
            )
        if not self.learns_motion_alone:
            return self
        if "windows" in given and len(self.windows) > 1:
            raise DataError(f"motion is learnt from windows of one length: give --windows {self.windows[0]}")
        return replace(self, windows=self.windows[:1])


def fit_run(
    session: FitSession, out: Path, device_name: str, threads: int, *, given: Collection[str], resumed: bool
) -> Run:
    """Train into `out` on drivers and faces, or on a folder of rendered clips; there, the streaming network learns
    motion alone.

    given: names of the session's values that the command line spells out; a resumed run takes all others from its
    checkpoint. Where torchrun started several processes, each is one of them; those that it restarts go on from the
    checkpoint. Raises CheckpointError rather than write over another run, or go on with other values or material.
    """
    torch.set_num_threads(threads)
    device = _device(device_name)
    with process_group(device.type):
        if resumed or (was_restarted() and (out / CHECKPOINT).exists()):
            run = resume(out, device)
            session = resumed_session(run, session, given, out)
            session = session.checked(given)
            source, _, material = _source(session, device)
            if run.origin.material not in ({}, material):
                changed = differences(run.origin.material, material)
                raise CheckpointError(f"{out} learnt from other material ({changed}); name another folder")
        else:
            _refuse_other_run(out)
            session = session.checked(given)
            source, speeds, material = _source(session, device)
            run = _begun(session, speeds, device)
            run.origin = Stage(_learnt(session), plain(asdict(session)), material)
        fit(run, source, out)
    return run


def resumed_session(run: Run, session: FitSession, given: Collection[str], out: Path) -> FitSession:
    """The session that a run goes on with: its own. Raises CheckpointError where a value that is given differs.

    An older checkpoint keeps some of them only; the rest is the command line's then, with a word that says so.
    """
    if run.origin.learnt == EMBEDDING:
        raise CheckpointError(f"{out} holds a run of `refine`, which cannot be resumed; refine into another folder")
    if run.origin.engine:
        raise CheckpointError(
            f"{out} was made by `unfold`, which has no training to resume; begin with it: fit --begin"
        )
    config = {name: value for name, value in asdict(run.config).items() if name in _CONFIGURED}
    kept = run.origin.options | config
    wanted = plain({name: value for name, value in asdict(session).items() if name in given and name in kept})
    if changed := differences({name: kept[name] for name in wanted}, wanted):
        raise CheckpointError(
            f"{out} holds a run with other options ({changed}); leave them out to go on with it, or name another folder"
        )
    if not run.origin.options:
        _LOG.warning(
            "%s does not tell what it was drawn from, as an older version left it; this command's is taken", out
        )
    own: dict[str, Any] = dict(kept)
    own.update({name: Path(kept[name]) for name in _PATHS if kept.get(name) is not None})
    own.update({name: tuple(kept[name]) for name in ("windows", "generators") if name in kept})
    return replace(session, **own)


def _begun(session: FitSession, speeds: int, device: torch.device) -> Run:
    config = _config(session, device)
    if session.begin is None:
        return start(config, speeds, device)
    earlier = resume(session.begin, device)
    if earlier.config.network != session.network:
        raise CheckpointError(
            f"{session.begin} holds a run of the network {earlier.config.network!r}, not {session.network!r}; "
            f"give --network {earlier.config.network}, or begin with another run"
        )
    return continue_with(earlier, config)


def _config(session: FitSession, device: torch.device) -> FitConfig:
    return FitConfig(
        network=session.network,
        steps=session.steps,
        minutes=session.minutes,
        optimizer=session.optimizer,
        learning_rate=_RATES[session.optimizer],
        precision=session.precision or ("bf16" if device.type == "cuda" else "fp32"),
        compile=session.compile,
        identity_weight=0.0 if session.learns_motion_alone else 1.0,
        seed=session.seed,
    )


def _learnt(session: FitSession) -> str:
    if session.learns_motion_alone:
        return MOTION
    return f"{DRIVERS}, and {MOTION}" if session.kind.tells_speed else DRIVERS


def _source(session: FitSession, device: torch.device) -> tuple[BatchSource, int, dict[str, Any]]:
    """Where this process's part of each batch comes from, how many speeds it tells, and the material in numbers."""
    if session.clips is not None:
        stored = load_stored(session.clips)
        whole = _stored_source(stored, session)
        return (
            lambda step: whole(step).part(rank(), processes()),
            stored[0].speed.shape[2],
            stored_numbers(session.clips),
        )
    material = session.source().load()
    sampler = _sampler(material, session.windows, session.frames, session.seed, session.generators)
    scale = speed_scale(material.bank)
    render = renderer(material.targets, device, session.generators, session.face_mesh)
    maker = BatchMaker(sampler, material.bank, render, device, ChannelRange(), scale, rank(), processes())
    return maker, len(scale), {**material.in_numbers(), "generators": list(session.generators)}


def stored_numbers(clips: Path) -> dict[str, Any]:
    """What a folder of rendered clips holds: its batches, and where it tells, how many people and faces."""
    recipe = read_recipe(clips / RECIPE) or {}
    known = ("people", "procedural", "portraits", "puppets", "generators")
    return {"batches": len(stored_files(clips)), **{name: recipe[name] for name in known if name in recipe}}


def _stored_source(stored: tuple[StoredClips, ...], session: FitSession) -> BatchSource:
    """Any windows to learn motion from, or mixtures in which drivers can be contrasted."""
    if session.kind.tells_speed:
        frames = session.windows[0]
        return WindowsOfFrames(stored, frames, max(1, session.frames // frames), ChannelRange(), session.seed)
    windows = (1,) if session.kind.reads == "one frame" else session.windows
    channel = None if session.kind.reads == "landmarks" else ChannelRange()
    return WindowsOfBatches(stored, windows, session.frames, channel, session.seed)


def render_clips(
    source: Source,
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
    """Render batches of uncoded clips into a folder, for `fit` to learn from again and again.

    Raises DataError where the folder holds clips of another recipe.
    """
    torch.set_num_threads(threads)
    device = torch.device("cpu")
    material = source.load()
    drawn = {"windows": windows, "frames": frames, "seed": seed, "generators": generators, "face_mesh": face_mesh}
    claim(out / RECIPE, {**asdict(source), **drawn, **material.in_numbers()}, kept=any(out.glob("*.npz")))
    sampler = _sampler(material, windows, frames, seed, generators)
    render = renderer(material.targets, device, generators, face_mesh)
    store_batches(BatchMaker(sampler, material.bank, render, device, None, speed_scale(material.bank)), batches, out)


def refine_run(first: Path, clips: Path, out: Path, *, seed: int, threads: int) -> Run:
    """Find the embedding of the run in `first` that tells drivers apart, on stored positions, into `out`."""
    torch.set_num_threads(threads)
    _refuse_other_run(out)
    earlier = resume(first, torch.device("cpu"))
    earlier.streaming()  # refuses another network before hours of work
    weights = hashlib.sha256((first / CHECKPOINT).read_bytes()).hexdigest()
    recipe = {"weights": weights, "clips": clips, "seed": seed, **stored_numbers(clips)}
    claim(out / RECIPE, recipe, kept=any(out.glob("*.npz")))
    positions = kept_positions(first, clips, out, seed, threads)
    run = with_new_embedding(earlier, DISCRIMINANT_SIZE)
    windows = tuple(window - TEMPORAL_MARGIN for window in _REFINED_WINDOWS)
    discriminant(positions, windows, run.streaming().embedding)
    options = {"run": first, "clips": clips, "windows": _REFINED_WINDOWS, "seed": seed}
    run.origin = Stage(EMBEDDING, plain(options), stored_numbers(clips))
    save(run, out)
    return run


def unfold_run(engine: Path, clips: Path, out: Path, *, seed: int) -> Run:
    """Write the run that a shipped engine's weights would be, for `fit --begin` and `refine`, into `out`."""
    _refuse_other_run(out)
    stored = load_stored(clips)
    source = WindowsOfFrames(stored, _UNFOLDED_WINDOW, 8, ChannelRange(), seed)
    batches = (source(step).inputs for step in range(_UNFOLDED_BATCHES))
    run = unfolded_run(engine, batches, stored[0].speed.shape[2])
    out.mkdir(parents=True, exist_ok=True)
    save(run, out)
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
