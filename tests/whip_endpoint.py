"""A WHIP endpoint on loopback with a listener that records, and pictures with burnt-in frame numbers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np
import uvicorn
from av import VideoFrame
from fastapi import FastAPI

from guard.bench.barcode import read_number, write_number
from guard.calls.peer import MakePeer
from guard.calls.receiving_peer import ReceivingPeer
from guard.calls.source import LatestFrames, ReceivedFrame
from guard.calls.whip import whip_router
from guard.calls.whip_session import WhipSession
from guard.calls.whip_sink import WhipSink
from guard.config import CallsConfig
from guard.media.latest_faces import LatestFaces

TOKEN = "let-me-in"


def numbered_frames(
    count: int | None = None, width: int = 320, height: int = 240, first: int = 0
) -> Callable[[], VideoFrame | None]:
    """A frame source: grey pictures numbered from `first`, `count` of them or endless."""
    number = first - 1

    def next_frame() -> VideoFrame | None:
        nonlocal number
        number += 1
        if count is not None and number >= first + count:
            return None
        planes = np.full((height * 3 // 2, width), 128, np.uint8)
        write_number(planes[:height], number % 65536)
        return VideoFrame.from_ndarray(planes, format="yuv420p")

    return next_frame


def number_of(frame: ReceivedFrame) -> int | None:
    """The number burnt into a received frame."""
    plane = frame.image.planes[0]
    luma = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    return read_number(luma[:, : plane.width])


@dataclass
class Recorder:
    """A listener that keeps everything it hears."""

    capacity: int = 4096
    queues: dict[tuple[str, str], LatestFrames] = field(default_factory=dict)
    faces: dict[tuple[str, str], LatestFaces] = field(default_factory=dict)
    events: list[tuple[str, str, str]] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    def participant_joined(self, call: str, participant: str) -> LatestFrames:
        self.events.append(("joined", call, participant))
        queue = self.queues[call, participant] = LatestFrames(self.capacity)
        return queue

    def faces_joined(self, call: str, participant: str) -> LatestFaces:
        self.events.append(("joined", call, participant))
        queue = self.faces[call, participant] = LatestFaces(self.capacity)
        return queue

    def participant_left(self, call: str, participant: str, why: str) -> None:
        self.events.append(("left", call, participant))
        self.reasons.append(why)

    def of(self, participant: str, call: str = "standup") -> list[str]:
        """What happened to one participant, in order."""
        return [what for what, where, who in self.events if (where, who) == (call, participant)]

    def received(self, participant: str, call: str = "standup") -> int:
        """Frames that have come from one participant so far."""
        queue = self.queues.get((call, participant))
        return 0 if queue is None else queue.received

    def take(self, participant: str, call: str = "standup") -> list[ReceivedFrame]:
        """Everything that waits in the queue of one participant."""
        frames = []
        while (frame := self.queues[call, participant].pop()) is not None:
            frames.append(frame)
        return frames


@dataclass
class Endpoint:
    """A running WHIP endpoint."""

    url: str
    sink: WhipSink
    listener: Recorder

    def seat(self, participant: str, call: str = "standup") -> str:
        return f"{self.url}/whip/{call}/{participant}"


def peer_of(session: WhipSession) -> ReceivingPeer:
    """The peer of a session that is received in this process."""
    peer = session._peer
    assert isinstance(peer, ReceivingPeer)
    return peer


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until `condition` holds; the time bounds a broken test, it is no expectation."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the conditions belong to code that knows nothing of events
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running_endpoint(
    config: CallsConfig, listener: Recorder, make_peer: MakePeer | None = None
) -> AsyncIterator[Endpoint]:
    """Serve a sink on a free loopback port."""
    sink = WhipSink(config, listener, make_peer)
    app = FastAPI()
    app.include_router(whip_router(sink, lambda token: token == TOKEN))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", ws="none", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    try:
        await until(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield Endpoint(f"http://127.0.0.1:{port}", sink, listener)
    finally:
        await sink.close()
        server.should_exit = True
        await serving
