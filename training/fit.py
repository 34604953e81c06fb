"""The trainer: batches in, checkpoints and a log out. Read it top to bottom; there is no other magic.

Any network of `models/registry.py` learns by the same schedule. Supervised contrastive loss over drivers (Khosla et
al., 2020; temperature as in arXiv 2604.23247), once against all other drivers of the batch and once against those that
drive the same face only; the landmark baseline has a contrast of its own (`losses.py`). The streaming network has a
second, dense task: a linear read-out of every position has to tell how fast the landmarks moved there.
The generators know that exactly, and a few hundred CPU steps are too few to find motion by identity alone. The read-out
is thrown away after training.

Started by torchrun, several processes share each batch (`distributed.py`); a single one is the case of n = 1.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from training.data.batches import Batch
from training.distributed import average_gradients, first_says, gather, processes, rank, share_norms
from training.errors import CheckpointError, TrainingError
from training.models.registry import network_kind
from training.models.static import StaticNet
from training.models.streaming import StreamingFeatDiff
from training.muon import Muon
from training.origin import Stage
from training.run_log import RunLog, TrainingLength, logged_length
from training.trainee import Outputs, Trainee, contrasts

Source = Callable[[int], Batch]
"""The batch of a step; where several processes train together, this process's part of it."""

CHECKPOINT = "checkpoint.pt"
_EMBEDDING = "network.embedding."


@dataclass(frozen=True, slots=True)
class FitConfig:
    """Everything that shapes a run; stored in its checkpoint.

    network: its name in the registry. optimizer: AdamW as published, or Muon for the convolutions.
    precision: of what autocast reaches; backbones are always in single precision.
    identity_weight, motion_weight: of the two contrasts and of the speeds; 0 leaves a task out.
    steps: length of the run. minutes: where given, the learning rate follows the clock instead and the run ends with
    it, so that a budget is used whatever the machine does; such a run is not repeatable step by step.
    """

    network: str = "streaming"
    embedding_size: int = 256
    steps: int = 2000
    minutes: float | None = None
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    optimizer: Literal["adamw", "muon"] = "adamw"
    warm_up: float = 0.05
    temperature: float = 0.07
    identity_weight: float = 1.0
    motion_weight: float = 1.0
    clip_norm: float = 1.0
    save_every_steps: int = 50
    precision: Literal["fp32", "bf16"] = "fp32"
    compile: bool = False
    seed: int = 0


@dataclass(slots=True)
class Run:
    """A run in progress: what a checkpoint holds.

    origin: what its batches are drawn from. earlier: the runs whose weights it began with, the first one first.
    """

    config: FitConfig
    trainee: Trainee
    optimizer: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0
    origin: Stage = field(default_factory=Stage)
    earlier: tuple[Stage, ...] = ()

    def stages(self) -> tuple[Stage, ...]:
        """All runs that led to these weights, this one last."""
        return (*self.earlier, replace(self.origin, steps=self.step, seconds=self.seconds))

    def streaming(self) -> StreamingFeatDiff:
        """The streaming network, which alone can be refined and exported. Raises CheckpointError for any other."""
        network = self.trainee.network
        if not isinstance(network, StreamingFeatDiff):
            raise CheckpointError(
                f"the run holds the network {self.config.network!r}; only a run of 'streaming' is refined or exported"
            )
        return network


def start(config: FitConfig, speeds: int, device: torch.device) -> Run:
    """A run with freshly drawn weights; the same seed draws the same ones.

    speeds: how many of them a batch tells. Raises TrainingError for an unknown network, or one that the optimizer has
    nothing for.
    """
    kind = network_kind(config.network)
    torch.manual_seed(config.seed)
    trainee = Trainee(kind, config.embedding_size, speeds).to(device)
    share_norms(trainee)
    return Run(config, trainee, _optimizer(config, trainee, device))


def _optimizer(config: FitConfig, trainee: Trainee, device: torch.device) -> torch.optim.Optimizer:
    values, rate, decay = trainee.parameters(), config.learning_rate, config.weight_decay
    if config.optimizer == "muon":
        if all(value.ndim < 4 for value in trainee.parameters()):
            raise TrainingError(f"the network {config.network!r} has no convolutions for muon; give --optimizer adamw")
        return Muon(values, lr=rate, weight_decay=decay)
    return torch.optim.AdamW(values, lr=rate, weight_decay=decay, fused=device.type == "cuda")


def fit(run: Run, source: Source, out: Path) -> None:
    """Train until the steps or the minutes are used up; log every step, save now and then and at the end.

    source: the batch of any step, the same whenever it is asked for, so that a resumed run goes on as if never stopped.
    Raises TrainingError when the loss is no longer a number; the last checkpoint stays as it was.
    """
    out.mkdir(parents=True, exist_ok=True)
    model = torch.compile(run.trainee, dynamic=False) if run.config.compile else run.trainee
    run.trainee.train()
    clock = time.monotonic() - run.seconds
    log = RunLog(out, run.step) if rank() == 0 else None
    with log or nullcontext():
        while progress(run) < 1:
            batch = source(run.step)
            rate = set_learning_rate(run)
            torch.manual_seed((run.config.seed * 1_000_003 + run.step) * processes() + rank())
            losses = train_step(run, model, batch)
            run.step += 1
            run.seconds = first_says(time.monotonic() - clock)
            if log is not None:
                clips, frames = batch.inputs.shape[:2]
                size = {"seconds": round(run.seconds, 1), "clips": clips * processes(), "frames": frames, "rate": rate}
                log.write(run.step, {**size, **_rounded(losses)})
            if rank() == 0 and run.step % run.config.save_every_steps == 0:
                save(run, out)
    if rank() == 0:
        save(run, out)


def progress(run: Run) -> float:
    """Share of the run that is done, by the clock where minutes are given."""
    if run.config.minutes is not None:
        return run.seconds / (60 * run.config.minutes)
    return run.step / run.config.steps


def set_learning_rate(run: Run) -> float:
    """Linear warm-up, then half a cosine down to 1 % of the rate."""
    done, warm = progress(run), run.config.warm_up
    shape = (done + 1e-3) / warm if done < warm else 0.5 + 0.5 * math.cos(math.pi * (done - warm) / (1 - warm))
    rate = run.config.learning_rate * min(1.0, max(shape, 0.01))
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    return rate


def train_step(run: Run, model: Any, batch: Batch) -> dict[str, float]:
    """One update; returns the losses, which are those of the whole batch in every process."""
    config, device = run.config, batch.inputs.device
    with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16"):
        part: Outputs = model(run.trainee.observed(batch))
    outputs = Outputs(*(None if value is None else gather(value.float()) for value in part))
    batch = replace(batch, driver=gather(batch.driver), face=gather(batch.face), speed=gather(batch.speed))

    losses: dict[str, Tensor] = {}
    loss = torch.zeros((), device=device)
    if config.identity_weight > 0:
        losses |= contrasts(outputs, batch, config.temperature)
        loss = config.identity_weight * torch.stack(list(losses.values())).sum()
    if outputs.speed is not None and config.motion_weight > 0:
        losses["motion"] = nn.functional.smooth_l1_loss(outputs.speed, batch.speed)
        loss = loss + config.motion_weight * losses["motion"]

    run.optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    average_gradients(run.trainee.parameters())
    norm = nn.utils.clip_grad_norm_(run.trainee.parameters(), config.clip_norm)
    values = {name: float(value.detach()) for name, value in losses.items()}
    if not math.isfinite(float(loss.detach())) or not math.isfinite(float(norm)):
        raise TrainingError(
            f"the loss became {_rounded(values)} and its gradient {float(norm):g} at step {run.step}; the last "
            "checkpoint is kept: begin another run with its weights (fit --begin), with another --seed or "
            "--precision fp32"
        )
    run.optimizer.step()
    return values


def _rounded(losses: dict[str, float]) -> dict[str, float]:
    """For people to read."""
    return {name: round(value, 5) for name, value in losses.items()}


def save(run: Run, out: Path) -> None:
    """Write the checkpoint beside the old one and swap, so that an interrupted save loses nothing."""
    state = {
        "config": asdict(run.config),
        "trainee": run.trainee.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "step": run.step,
        "seconds": run.seconds,
        "stages": [asdict(stage) for stage in run.stages()],
    }
    part = out / f"{CHECKPOINT}.part"
    torch.save(state, part)
    part.replace(out / CHECKPOINT)


def resume(out: Path, device: torch.device) -> Run:
    """The run that a folder's checkpoint holds, ready to go on. Raises CheckpointError where there is no good one."""
    state = _read_checkpoint(out, device)
    try:
        known = {field.name for field in fields(FitConfig)}
        config = FitConfig(**{name: value for name, value in state["config"].items() if name in known})
        speeds = len(state["trainee"]["read_out.bias"]) if network_kind(config.network).tells_speed else 0
        run = start(config, speeds, device)
        run.trainee.load_state_dict(state["trainee"])
        run.optimizer.load_state_dict(state["optimizer"])
        *earlier, run.origin = [Stage(**stage) for stage in state.get("stages", [{}])]
        run.step, run.seconds, run.earlier = int(state["step"]), float(state["seconds"]), tuple(earlier)
    except (KeyError, TypeError, ValueError, RuntimeError, TrainingError) as error:
        raise CheckpointError(f"{out / CHECKPOINT} does not fit this trainer: {error}") from error
    return run


def continue_with(run: Run, config: FitConfig) -> Run:
    """A new run that starts from the weights of another, whose embedding it keeps, whatever its size."""
    config = replace(config, embedding_size=run.config.embedding_size)
    fresh = start(config, _speeds(run), next(run.trainee.parameters()).device)
    fresh.trainee.load_state_dict(run.trainee.state_dict())
    fresh.earlier = run.stages()
    return fresh


def with_new_embedding(run: Run, size: int) -> Run:
    """A new run with the weights of another, but for an embedding of `size` numbers that has learnt nothing yet.

    Raises CheckpointError for a run of any network but the streaming one.
    """
    run.streaming()
    config = replace(run.config, embedding_size=size, minutes=None, compile=False)
    fresh = start(config, _speeds(run), next(run.trainee.parameters()).device)
    state = fresh.trainee.state_dict()
    learnt = {name: value for name, value in run.trainee.state_dict().items() if not name.startswith(_EMBEDDING)}
    fresh.trainee.load_state_dict({**state, **learnt})
    fresh.earlier = run.stages()
    return fresh


def _speeds(run: Run) -> int:
    return 0 if run.trainee.read_out is None else run.trainee.read_out.out_features


def load_network(out: Path) -> nn.Module:
    """The trained network of a run, on the CPU and in evaluation mode."""
    network = resume(out, torch.device("cpu")).trainee.network
    network.eval()
    return network


def load_static(out: Path) -> StaticNet:
    """The STATIC control that a run trained. Raises CheckpointError for a run of anything else."""
    network = load_network(out)
    if not isinstance(network, StaticNet):
        raise CheckpointError(
            f"{out} holds another network than the control STATIC; train that with `guard-train fit --network static`"
        )
    return network


def training_length(out: Path) -> TrainingLength:
    """How long the run in a folder was trained, by its log or, without one, its checkpoint."""
    return logged_length(out) or TrainingLength(resume(out, torch.device("cpu")).step, None)


def _read_checkpoint(out: Path, device: torch.device) -> dict[str, Any]:
    path = out / CHECKPOINT
    if not path.is_file():
        raise CheckpointError(f"no checkpoint at {path}; train one with `guard-train fit --out {out}`")
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # torch raises anything on a damaged file
        raise CheckpointError(f"{path} is no readable checkpoint: {error}") from error
    if not isinstance(state, dict) or "trainee" not in state:
        raise CheckpointError(f"{path} is no checkpoint of this trainer")
    return state
