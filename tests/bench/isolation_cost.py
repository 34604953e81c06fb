"""What it costs to receive in worker processes: CPU per frame and delay, beside the same in this process, in one run.

    python -m tests.bench.isolation_cost --streams 4 --seconds 20 --rounds 2

A process of its own sends pre-encoded faces, 640x360 at 30 fps. Both ways go up to the face frame that the pipeline
takes; there is no engine. The delay is from the decoded frame to that face frame in the hands of the guard's thread.
CPU is that of the guard's process, and of its workers where there are some; the two ways take turns, `rounds` times.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle, islice
from queue import SimpleQueue
from threading import Thread

import numpy as np
from av import Packet, VideoFrame

from demo.puppet_frames import FPS, make_player
from engines.face_detector import SlimFaceDetector
from guard.bench.machine import describe_machine
from guard.bench.process_cpu import cpu_seconds
from guard.calls.publisher import Picture, WhipPublisher
from guard.calls.source import LatestFrames, ReceivedFrame
from guard.config import CallsConfig
from guard.isolation.supervisor import Supervisor
from guard.media.front_end import FaceFrame, FaceFrontEnd
from guard.media.latest_faces import LatestFaces
from tests.guard.isolation.conftest import encode
from tests.whip_endpoint import TOKEN, Recorder, running_endpoint, until

_CLIP_SECONDS = 2
_WARM_UP_FRAMES = 90


@dataclass
class Consumer(Recorder):
    """Does with frames what the pipeline's thread does before the engine."""

    delays_ms: list[float] = field(default_factory=list)
    frames: int = 0
    _ready: SimpleQueue[str] = field(default_factory=SimpleQueue)
    _queues: dict[str, LatestFrames | LatestFaces] = field(default_factory=dict)
    _front_ends: dict[str, FaceFrontEnd] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._detector = SlimFaceDetector()
        Thread(target=self._consume, daemon=True).start()

    def participant_joined(self, call: str, participant: str) -> LatestFrames:
        self._front_ends[participant] = FaceFrontEnd(self._detector)
        queue = self._queues[participant] = LatestFrames(4, on_ready=partial(self._ready.put, participant))
        return queue

    def faces_joined(self, call: str, participant: str) -> LatestFaces:
        queue = self._queues[participant] = LatestFaces(4, on_ready=partial(self._ready.put, participant))
        return queue

    @property
    def dropped(self) -> int:
        return sum(queue.dropped for queue in self._queues.values())

    def _consume(self) -> None:
        while True:
            name = self._ready.get()
            while (frame := self._queues[name].pop()) is not None:
                face = self._front_ends[name].process(frame) if isinstance(frame, ReceivedFrame) else frame
                self.frames += 1
                if isinstance(face, FaceFrame):
                    self.delays_ms.append(1000 * (time.monotonic() - face.arrival_seconds))


@dataclass
class Figures:
    """Of one way, all rounds together."""

    name: str
    cpu_ms: list[float] = field(default_factory=list)
    """CPU per frame, by round."""
    delays_ms: list[float] = field(default_factory=list)
    frames: int = 0
    dropped: int = 0
    seconds: float = 0.0


async def measure(figures: Figures, streams: int, seconds: float) -> None:
    """One round of one way."""
    config = CallsConfig(loopback=True, max_participants=streams)
    consumer = Consumer()
    workers = Supervisor(config, 12.0, consumer) if figures.name == "process" else None
    if workers is not None:
        await workers.start()
    try:
        make_peer = workers.peer if workers is not None else None
        async with running_endpoint(config, consumer, make_peer) as endpoint, sender(endpoint.url, streams):
            await until(lambda: consumer.frames > streams * _WARM_UP_FRAMES, 120)
            pids = workers.pids if workers is not None else []
            before, started = time.process_time() + cpu_seconds(pids), time.monotonic()
            seen, frames, dropped = len(consumer.delays_ms), consumer.frames, consumer.dropped
            await asyncio.sleep(seconds)
            took = time.monotonic() - started
            figures.cpu_ms.append(
                1000 * (time.process_time() + cpu_seconds(pids) - before) / max(consumer.frames - frames, 1)
            )
            figures.delays_ms += consumer.delays_ms[seen:]
            figures.frames += consumer.frames - frames
            figures.dropped += consumer.dropped - dropped
            figures.seconds += took
    finally:
        if workers is not None:
            await workers.close()


@asynccontextmanager
async def sender(url: str, streams: int) -> AsyncIterator[None]:
    """A process that publishes so many faces."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.isolation_cost", "--send-to", url, "--streams", str(streams))
    )
    try:
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def send(url: str, streams: int) -> None:
    """What that process does."""
    pictures = islice(make_player(1, 1, 0), _CLIP_SECONDS * FPS)
    packets = encode([VideoFrame.from_ndarray(p, format="bgr24").reformat(format="yuv420p") for p in pictures])
    for number in range(streams):
        await WhipPublisher(f"{url}/whip/bench/s{number}", TOKEN, looping(packets), loopback=True).start()
    await asyncio.Event().wait()


def looping(packets: list[bytes]) -> Callable[[], Picture]:
    clip = cycle(packets)
    return lambda: Packet(next(clip))


def report(ways: list[Figures], streams: int) -> None:
    print(f"{describe_machine()}, load {os.getloadavg()[0]:.1f}; {streams} streams of 640x360 at 30 fps")  # noqa: T201
    for way in ways:
        p50, p95, p99 = (float(np.percentile(way.delays_ms, share)) for share in (50, 95, 99))
        rounds = ", ".join(f"{cpu_ms:.2f}" for cpu_ms in way.cpu_ms)
        cpu_ms = float(np.mean(way.cpu_ms))
        print(  # noqa: T201
            f"{way.name:8} CPU per frame {cpu_ms:.2f} ms (rounds {rounds}), at 30 fps {3 * cpu_ms:.1f} % of a core; "
            f"delay p50 {p50:.2f}, p95 {p95:.2f}, p99 {p99:.2f} ms; "
            f"{way.frames / way.seconds / streams:.1f} fps, dropped {way.dropped}"
        )
    none, process = ways
    ratio = float(np.mean(process.cpu_ms) / np.mean(none.cpu_ms))
    more_ms = float(np.median(process.delays_ms) - np.median(none.delays_ms))
    print(f"process / none: CPU {ratio:.2f}, delay at p50 {more_ms:+.2f} ms")  # noqa: T201


async def run(streams: int, seconds: float, rounds: int) -> None:
    ways = [Figures("none"), Figures("process")]
    for _ in range(rounds):
        for way in ways:
            await measure(way, streams, seconds)
    report(ways, streams)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--send-to", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.send_to:
        asyncio.run(send(arguments.send_to, arguments.streams))
    else:
        asyncio.run(run(arguments.streams, arguments.seconds, arguments.rounds))
