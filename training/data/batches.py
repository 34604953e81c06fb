"""From a batch plan to the frames that the network sees: cut windows, render them, pass them through a call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.data.bank import MotionBank
from training.data.channel import ChannelRange, pass_through_call
from training.data.sampler import CrossedSampler
from training.models.streaming import TEMPORAL_MARGIN

Render = Callable[[Tensor, Tensor, Tensor, torch.Generator], Tensor]
"""(target index (B,), landmarks (B, T, L, 2), head (B, T, 4), generator) to frames (B, T, 128, 128), 0-255."""


class MixedRender(Protocol):
    """A `Render` of several generators, of which each clip has one."""

    def __call__(
        self, target: Tensor, landmarks: Tensor, head: Tensor, random: torch.Generator, drawn: Tensor | None = None, /
    ) -> Tensor:
        """Frames as of `Render`; drawn: int64 (B,), number of each clip's generator, None = the first shows all."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one step learns from.

    inputs: float, frames (B, T, 128, 128), 0-255, or the feature maps (B, T, 128, 16, 16) of such frames.
    driver, face: int64 (B,), who drives and which target is shown.
    speed: float (B, T - 5, L + 4), how fast landmarks and head moved at each position of the network, in root mean
    squares of the bank.
    landmarks: float (B, T, L, 2), the exact motion that was rendered, in face units relative to the driver's neutral;
    L = 0 where nobody noted it. generator: names (B,) of what rendered each clip; empty where nobody noted it.
    """

    inputs: Tensor
    driver: Tensor
    face: Tensor
    speed: Tensor
    landmarks: Tensor
    generator: tuple[str, ...] = ()

    def part(self, number: int, parts: int) -> Batch:
        """Every parts-th clip from `number` on; those that would make parts unequal are left out."""
        rows = slice(number, len(self.driver) // parts * parts, parts)
        return Batch(
            self.inputs[rows],
            self.driver[rows],
            self.face[rows],
            self.speed[rows],
            self.landmarks[rows],
            self.generator[rows],
        )


@dataclass(frozen=True, slots=True)
class BatchMaker:
    """Makes the batch of any step; the same step gives the same pixels on the same device.

    part, parts: where several processes train together, each renders its own part of every plan.
    """

    sampler: CrossedSampler
    bank: MotionBank
    render: MixedRender
    device: torch.device
    channel: ChannelRange | None
    """None = frames as rendered."""
    speed_scale: NDArray[np.float32]
    part: int = 0
    parts: int = 1

    def __call__(self, step: int) -> Batch:
        plan = self.sampler.plan(step).part(self.part, self.parts)
        landmarks, head = self.bank.windows(plan.clip, plan.offset, plan.frames)
        seed = (self.sampler.seed * 1_000_003 + step) * self.parts + self.part
        generator = torch.Generator(self.device).manual_seed(seed)
        face = torch.from_numpy(plan.target).to(self.device)
        moved = torch.from_numpy(landmarks).to(self.device)
        frames = self.render(
            face,
            moved,
            torch.from_numpy(head).to(self.device),
            generator,
            torch.from_numpy(plan.generator).to(self.device),
        ).float()
        if self.channel is not None:
            frames = pass_through_call(frames, generator, self.channel)
        speed = torch.from_numpy(position_speed(landmarks, head) / self.speed_scale).to(self.device)
        names = tuple(self.sampler.generators[number] for number in plan.generator)
        return Batch(frames, torch.from_numpy(plan.driver).to(self.device), face, speed, moved, names)


def position_speed(landmarks: NDArray[np.float32], head: NDArray[np.float32]) -> NDArray[np.float32]:
    """How far landmarks and head move at the middle difference of each network position: float32 (B, T - 5, L + 4).

    Position p sees differences p .. p + 4, so its middle is the one from frame p + 2 to frame p + 3. Speeds and not
    velocities: a difference of maps shows at once that an edge moved, but which way only together with what it is the
    edge of.
    """
    middle = slice(TEMPORAL_MARGIN // 2, -(TEMPORAL_MARGIN // 2))
    moved = np.linalg.norm(np.diff(landmarks, axis=1), axis=3)
    speed: NDArray[np.float32] = np.concatenate([moved, np.abs(np.diff(head, axis=1))], axis=2)[:, middle]
    return speed


def speed_scale(bank: MotionBank) -> NDArray[np.float32]:
    """Root mean square of each speed over the bank, (L + 4,), floored where nothing moves."""
    inside = np.ones(len(bank.head) - 1, bool)
    inside[bank.starts[1:] - 1] = False
    moved = np.linalg.norm(np.diff(bank.landmarks.astype(np.float32), axis=0), axis=2)
    speed = np.concatenate([moved, np.abs(np.diff(bank.head, axis=0))], axis=1)[inside]
    scale: NDArray[np.float32] = np.maximum(np.sqrt(np.square(speed).mean(axis=0)), 1e-4).astype(np.float32)
    return scale
