"""Sends pre-encoded streams to a guard from a process of its own: `python -m guard.bench.clip_sender`.

Open loop: every stream plays its clip in a loop, at 30 frames a second by its own clock, whatever becomes of the
frames. It notes when each frame is handed over where an encoder would be, and tells at the end.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import av
from pydantic import TypeAdapter

from guard.bench.child import Answer, run_child
from guard.bench.clip import FPS, load_packets
from guard.calls.publisher import WhipPublisher
from guard.calls.rtp_clock import VIDEO_CLOCK_HZ

if TYPE_CHECKING:
    from av.stream import Stream


@dataclass(frozen=True, slots=True)
class Target:
    """Where a stream goes: a WHIP endpoint and its token."""

    url: str
    token: str


@dataclass(frozen=True, slots=True)
class SenderJob:
    """A stream to each target. clips: files of encoded frames, by turns."""

    targets: tuple[Target, ...]
    clips: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class SentStream:
    """handed_over: `time.monotonic()` of every frame; frame i carries the number i modulo clip_frames.

    pts_seconds: media time of every frame but the newest, 0 at the first.
    """

    url: str
    clip_frames: int
    handed_over: tuple[float, ...]
    pts_seconds: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class SenderReport:
    """cpu_seconds: of the whole process so far."""

    streams: tuple[SentStream, ...]
    cpu_seconds: float


JOB: TypeAdapter[SenderJob] = TypeAdapter(SenderJob)
REPORT: TypeAdapter[SenderReport] = TypeAdapter(SenderReport)


class _Player:
    def __init__(self, packets: list[bytes]) -> None:
        self.handed_over: list[float] = []
        self.pts_seconds: list[float] = []
        self.packets = packets
        self._last: av.Packet[Stream] | None = None
        self._frames = count()

    def __call__(self) -> av.Packet[Stream]:
        if self._last is not None and self._last.pts is not None:
            # Whoever takes a packet says when it is due.
            self.pts_seconds.append(self._last.pts / VIDEO_CLOCK_HZ)
        packet = self._last = av.Packet(self.packets[next(self._frames) % len(self.packets)])
        self.handed_over.append(time.monotonic())
        return packet


@asynccontextmanager
async def _sending(line: bytes) -> AsyncIterator[Mapping[str, Answer]]:
    job = JOB.validate_json(line)
    clips = [load_packets(file) for file in job.clips]
    players = [_Player(clips[number % len(clips)]) for number in range(len(job.targets))]

    async def report() -> object:
        streams = [
            SentStream(target.url, len(player.packets), tuple(player.handed_over), tuple(player.pts_seconds))
            for target, player in zip(job.targets, players, strict=True)
        ]
        return REPORT.dump_python(SenderReport(tuple(streams), time.process_time()), mode="json")

    async def cpu() -> object:
        return time.process_time()

    async with AsyncExitStack() as stack:
        for target, player in zip(job.targets, players, strict=True):
            await stack.enter_async_context(WhipPublisher(target.url, target.token, player, fps=FPS, loopback=True))
            # Cameras are not in step: spread the streams over a frame interval.
            await asyncio.sleep(1 / FPS / len(players))
        yield {"report": report, "cpu": cpu}


if __name__ == "__main__":
    run_child(_sending)
