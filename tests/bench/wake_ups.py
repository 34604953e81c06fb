"""How often the pipeline's thread gets up with many seats and an engine that likes batches: every frame, or batches.

    python -m tests.bench.wake_ups --seats 128 --seconds 10

In virtual time, so that the counts do not depend on the machine's load: seats' frames come evenly spread, a step takes
one millisecond, everything else none. CPU seconds are real: the guard's own work per tick and frame, without decoding,
faces and the engine.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Literal

import av
import numpy as np
from numpy.typing import NDArray

from engines.protocol import Batching, Calibration, EngineSpec, EngineStatus, StepResult
from guard.bench.machine import describe_machine
from guard.calls.source import LatestFrames, ReceivedFrame
from guard.config import CallsConfig, GuardConfig
from guard.media.front_end import FaceFrame, FaceFrontEnd, NoFrame
from guard.outcomes import Judged
from guard.pipeline import Pipeline
from guard.seat_key import SeatKey
from guard.verify.states import AbstainReason
from guard.wake import Pause, WakeRule

FPS = 30
STEP_SECONDS = 0.001
_LONGEST_SECONDS = 0.1
_EMBEDDING_SIZE = 256

Policy = Literal["every frame", "batches"]


@dataclass(frozen=True, slots=True)
class Rates:
    """Per second of the call. wakes: of the thread, ticks among them. Waits are from arrival to verdict."""

    policy: Policy
    wakes: float
    ticks: float
    steps: float
    frames: float
    cpu_seconds: float
    wait_p50_ms: float
    wait_p99_ms: float


class _ReadyFrontEnd(FaceFrontEnd):
    """Every frame shows the same face, or none at all."""

    def __init__(self, faces: bool) -> None:
        self._faces = faces
        self._pixels = np.zeros((128, 128), np.uint8)

    def process(self, frame: ReceivedFrame) -> FaceFrame | NoFrame:
        if not self._faces:
            return NoFrame(AbstainReason.NO_FACE, frame.pts_seconds, frame.arrival_seconds, FPS)
        return FaceFrame(self._pixels, True, frame.pts_seconds, frame.arrival_seconds, None, 0, FPS, 0.0)


class _World:
    """The clock, the seats' queues, and an engine that lets time pass."""

    def __init__(self, seats: int) -> None:
        cohort = np.eye(_EMBEDDING_SIZE, dtype=np.float32)[:8]
        calibration = Calibration(1.0, 0.0, cohort)
        self.spec = EngineSpec("none", "0", 64, 5, _EMBEDDING_SIZE, 12, 35, 0.5, 0.25, "f" * 64, calibration)
        self.status = EngineStatus("none", "none", "none", None)
        self.batching = Batching(max_frames=1024, wait_seconds=0.003)
        self.stream_bytes = 0
        self.now = 0.0
        self.rule = WakeRule()
        self.wakes = self.steps = self.frames = 0
        self.queues = [LatestFrames(4, on_ready=self._ready) for _ in range(seats)]
        self._image = av.VideoFrame(16, 16, "gray")
        self._sent = 0

    @property
    def next_arrival(self) -> float:
        return self._sent / (FPS * len(self.queues))

    def pass_to(self, then: float) -> None:
        """Frames arrive on the way."""
        while (due := self.next_arrival) <= then:
            self.now = due
            frame = ReceivedFrame(self._image, self._sent // len(self.queues) / FPS, due, None, False)
            queue = self.queues[self._sent % len(self.queues)]
            self._sent += 1
            queue.push(frame)
        self.now = then

    def _ready(self) -> None:
        # The thread looks up whenever it is told, and may find that it can sleep on.
        self.wakes += self.rule.frame(self.now) and self.rule.due_seconds > self.now

    def open(self, slots: int) -> None: ...

    def reset(self, slot: int) -> None: ...

    def close(self) -> None: ...

    def step(self, slots: NDArray[np.int32], frames: NDArray[np.uint8], continues: NDArray[np.bool_]) -> StepResult:
        self.steps += 1
        self.frames += slots.size
        self.pass_to(self.now + STEP_SECONDS)
        return StepResult(np.zeros((slots.size, _EMBEDDING_SIZE), np.float32), np.zeros(slots.size, np.float32))


def simulate(policy: Policy, seats: int, seconds: float, *, faces: bool = True) -> Rates:
    """A call of so many seconds. faces: whether the frames show any."""
    world = _World(seats)
    config = GuardConfig(calls=CallsConfig(max_participants=seats))
    pipeline = Pipeline(world, config, lambda: _ReadyFrontEnd(faces), clock=lambda: world.now)
    for number, queue in enumerate(world.queues):
        pipeline.add(SeatKey("main", f"seat{number}"), queue, 0.0)
    ticks, waits, started = 0, [0.0], time.thread_time()
    while world.now < seconds:
        _sleep(world, _pause(pipeline, policy))
        ticks += 1
        waits.extend(_tick(pipeline, world))
    cpu = time.thread_time() - started
    p50, p99 = (1000 * float(value) for value in np.percentile(waits, (50, 99)))
    return Rates(
        policy,
        wakes=(world.wakes + ticks) / seconds,
        ticks=ticks / seconds,
        steps=world.steps / seconds,
        frames=world.frames / seconds,
        cpu_seconds=cpu / seconds,
        wait_p50_ms=p50,
        wait_p99_ms=p99,
    )


def _pause(pipeline: Pipeline, policy: Policy) -> Pause:
    pause = pipeline.pause(_LONGEST_SECONDS)
    return pause if policy == "batches" else replace(pause, hold_seconds=0.0, frames=1)


def _sleep(world: _World, pause: Pause) -> None:
    """`guard.wake.Wake.sleep` in virtual time."""
    world.rule.begin(pause, world.now)
    while (due := world.rule.due_seconds) > world.now:
        world.pass_to(min(due, world.next_arrival))
    world.rule.end()


def _tick(pipeline: Pipeline, world: _World) -> Iterator[float]:
    for outcome in pipeline.tick():
        if isinstance(outcome, Judged) and outcome.stages is not None:
            yield world.now - outcome.stages.arrival_seconds
    pipeline.settle()


def main() -> None:
    """Print both policies' rates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seats", type=int, default=128)
    parser.add_argument("--seconds", type=float, default=10.0)
    given = parser.parse_args()
    policies: tuple[Policy, ...] = ("every frame", "batches")
    rates = [asdict(simulate(policy, given.seats, given.seconds)) for policy in policies]
    print(json.dumps({"machine": describe_machine(), "seats": given.seats, "rates": rates}, indent=2))  # noqa: T201 - a command


if __name__ == "__main__":
    main()
