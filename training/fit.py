"""The trainer: batches in, checkpoints and a log out. Read it top to bottom; there is no other magic.

Supervised contrastive loss over drivers (Khosla et al., 2020; temperature as in arXiv 2604.23247),
once against all other drivers of the batch and once against those that drive the same face only. Networks that see
motion have a second, dense task: a linear read-out of every position has to tell how fast the landmarks moved there.
The generators know that exactly, and a few hundred CPU steps are too few to find motion by identity alone. The read-out
is thrown away after training.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import torch
from pytorch_metric_learning.losses import SupConLoss
from torch import Tensor, nn

from training.data.batches import Batch
from training.errors import CheckpointError, TrainingError
from training.models.controls import StaticNet
from training.models.streaming import POSITION_SIZE, Positions, StreamingConfig, StreamingFeatDiff

Network = StreamingFeatDiff | StaticNet
Source = Callable[[int], Batch]
CHECKPOINT = "checkpoint.pt"
LOG = "log.jsonl"


@dataclass(frozen=True, slots=True)
class FitConfig:
    """Everything that shapes a run; stored in its checkpoint.

    identity_weight, motion_weight: of the two contrasts and of the speeds; 0 leaves a task out.
    steps: length of the run. minutes: where given, the learning rate follows the clock instead and the run ends with
    it, so that a budget is used whatever the machine does; such a run is not repeatable step by step.
    """

    network: Literal["streaming", "static"] = "streaming"
    embedding_size: int = 256
    steps: int = 2000
    minutes: float | None = None
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    warm_up: float = 0.05
    temperature: float = 0.07
    identity_weight: float = 1.0
    motion_weight: float = 1.0
    clip_norm: float = 1.0
    save_every_steps: int = 50
    compile: bool = False
    seed: int = 0


class Trainee(nn.Module):
    """The network, and the read-out that only training has."""

    def __init__(self, config: FitConfig, speeds: int) -> None:
        super().__init__()
        shape = StreamingConfig(embedding_size=config.embedding_size)
        self.network: Network = StreamingFeatDiff(shape) if config.network == "streaming" else StaticNet(shape)
        self.read_out = nn.Linear(POSITION_SIZE, speeds) if config.network == "streaming" else None

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        """Embeddings (B, D) and, where there is motion to read, speeds (B, T - 5, S).

        inputs: frames (B, T, 128, 128), or stored positions (B, T - 5, 512), of which nothing more is read.
        """
        if isinstance(self.network, StaticNet):
            return self.network(inputs), None
        if inputs.ndim == 3:
            every = torch.ones(inputs.shape[:2], dtype=torch.bool, device=inputs.device)
            return self.network.embedding(Positions(inputs, every).moments()), None
        positions = self.network.embed_positions(inputs)
        speed = None if self.read_out is None else self.read_out(positions.values)
        return self.network.embedding(positions.moments()), speed


@dataclass(slots=True)
class Run:
    """A run in progress: what a checkpoint holds."""

    config: FitConfig
    trainee: Trainee
    optimizer: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0


def start(config: FitConfig, speeds: int, device: torch.device) -> Run:
    """A run with freshly drawn weights; the same seed draws the same ones."""
    torch.manual_seed(config.seed)
    trainee = Trainee(config, speeds).to(device)
    optimizer = torch.optim.AdamW(
        trainee.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=device.type == "cuda"
    )
    return Run(config, trainee, optimizer)


def fit(run: Run, source: Source, out: Path) -> None:
    """Train until the steps or the minutes are used up; log every step, save now and then and at the end.

    source: the batch of any step, the same whenever it is asked for, so that a resumed run goes on as if never stopped.
    Raises TrainingError when the loss is no longer a number; the last checkpoint stays as it was.
    """
    out.mkdir(parents=True, exist_ok=True)
    contrast = SupConLoss(temperature=run.config.temperature)
    model = torch.compile(run.trainee, dynamic=False) if run.config.compile else run.trainee
    run.trainee.train()
    clock = time.monotonic() - run.seconds
    with (out / LOG).open("a") as log:
        while progress(run) < 1:
            batch = source(run.step)
            rate = set_learning_rate(run)
            torch.manual_seed(run.config.seed * 1_000_003 + run.step)
            losses = train_step(run, model, contrast, batch)
            run.step += 1
            run.seconds = time.monotonic() - clock
            clips, frames = batch.inputs.shape[:2]
            line = {"step": run.step, "seconds": round(run.seconds, 1), "clips": clips, "frames": frames, "rate": rate}
            log.write(json.dumps({**line, **losses}) + "\n")
            log.flush()
            if run.step % run.config.save_every_steps == 0:
                save(run, out)
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


def train_step(run: Run, model: Any, contrast: SupConLoss, batch: Batch) -> dict[str, float]:
    """One update; returns the losses."""
    device = batch.inputs.device
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        embedding, speed = model(batch.inputs)
    losses: dict[str, Tensor] = {}
    loss = torch.zeros((), device=device)
    if run.config.identity_weight > 0:
        pairs = same_face_pairs(batch.driver, batch.face)
        losses["identity"] = contrast(embedding.float(), batch.driver)
        losses["same_face"] = contrast(embedding.float(), batch.driver, indices_tuple=pairs)
        loss = loss + run.config.identity_weight * (losses["identity"] + losses["same_face"])
    if speed is not None and run.config.motion_weight > 0:
        losses["motion"] = nn.functional.smooth_l1_loss(speed.float(), batch.speed)
        loss = loss + run.config.motion_weight * losses["motion"]
    run.optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    norm = nn.utils.clip_grad_norm_(run.trainee.parameters(), run.config.clip_norm)
    values = {name: round(float(value.detach()), 5) for name, value in losses.items()}
    if not math.isfinite(float(loss.detach())) or not math.isfinite(float(norm)):
        raise TrainingError(f"the loss became {values} at step {run.step}; lower the learning rate and resume")
    run.optimizer.step()
    return values


def same_face_pairs(driver: Tensor, face: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Anchors and positives (same driver, any face), anchors and negatives (other driver, the same face): indices.

    A guard compares what it sees with a template of the same seat, so this is the contrast that has to be sharp.
    """
    same = driver[:, None] == driver[None, :]
    positive = same & ~torch.eye(len(driver), dtype=torch.bool, device=driver.device)
    negative = ~same & (face[:, None] == face[None, :])
    anchors, positives = torch.where(positive)
    anchors_too, negatives = torch.where(negative)
    return anchors, positives, anchors_too, negatives


def save(run: Run, out: Path) -> None:
    """Write the checkpoint beside the old one and swap, so that an interrupted save loses nothing."""
    state = {
        "config": asdict(run.config),
        "trainee": run.trainee.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "step": run.step,
        "seconds": run.seconds,
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
        speeds = len(state["trainee"]["read_out.bias"]) if config.network == "streaming" else 0
        run = start(config, speeds, device)
        run.trainee.load_state_dict(state["trainee"])
        run.optimizer.load_state_dict(state["optimizer"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{out / CHECKPOINT} does not fit this trainer: {error}") from error
    run.step, run.seconds = int(state["step"]), float(state["seconds"])
    return run


def continue_with(run: Run, config: FitConfig, *, embedding_only: bool) -> Run:
    """A new run that starts from the weights of another. embedding_only: nothing before the embedding is trained."""
    fresh = start(config, 0 if run.trainee.read_out is None else run.trainee.read_out.out_features, torch.device("cpu"))
    fresh.trainee.load_state_dict(run.trainee.state_dict())
    if embedding_only:
        fresh.trainee.requires_grad_(False)
        fresh.trainee.network.embedding.requires_grad_(True)
    return fresh


def load_network(out: Path) -> Network:
    """The trained network of a run, on the CPU and in evaluation mode."""
    network = resume(out, torch.device("cpu")).trainee.network
    network.eval()
    return network


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
