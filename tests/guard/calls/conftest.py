"""A sink behind a real HTTP server on loopback, and pictures with burnt-in frame numbers."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import uvicorn
from av import VideoFrame
from fastapi import FastAPI

from guard.calls.source import LatestFrames, ReceivedFrame
from guard.calls.whip import whip_router
from guard.calls.whip_sink import WhipSink
from guard.config import CallsConfig

TOKEN = "let-me-in"


def _load_barcode() -> ModuleType:
    path = Path(__file__).parents[2] / "barcode.py"
    spec = importlib.util.spec_from_file_location("barcode", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault("barcode", module)
    spec.loader.exec_module(module)
    return module


barcode = _load_barcode()


def numbered_frames(count: int | None = None, width: int = 320, height: int = 240) -> Callable[[], VideoFrame | None]:
    """A frame source: grey pictures numbered from 0, `count` of them or endless."""
    number = -1

    def next_frame() -> VideoFrame | None:
        nonlocal number
        number += 1
        if count is not None and number >= count:
            return None
        planes = np.full((height * 3 // 2, width), 128, np.uint8)
        barcode.write_number(planes[:height], number % 65536)
        return VideoFrame.from_ndarray(planes, format="yuv420p")

    return next_frame


def number_of(frame: ReceivedFrame) -> int | None:
    """The number burnt into a received frame."""
    plane = frame.image.planes[0]
    luma = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
    number: int | None = barcode.read_number(luma)
    return number


@dataclass
class Recorder:
    """A listener that keeps everything it hears."""

    capacity: int = 4096
    queues: dict[tuple[str, str], LatestFrames] = field(default_factory=dict)
    events: list[tuple[str, str, str]] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    def participant_joined(self, call: str, participant: str) -> LatestFrames:
        self.events.append(("joined", call, participant))
        queue = self.queues[call, participant] = LatestFrames(self.capacity)
        return queue

    def participant_left(self, call: str, participant: str, why: str) -> None:
        self.events.append(("left", call, participant))
        self.reasons.append(why)

    def of(self, participant: str) -> list[str]:
        """What happened to one participant, in order."""
        return [what for what, _, who in self.events if who == participant]


@dataclass
class Endpoint:
    """A running WHIP endpoint."""

    url: str
    sink: WhipSink
    listener: Recorder

    def seat(self, participant: str, call: str = "standup") -> str:
        return f"{self.url}/whip/{call}/{participant}"


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until `condition` holds; the time is a bound for a broken test, not an expectation."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def _start(config: CallsConfig, listener: Recorder) -> tuple[Endpoint, Callable[[], Awaitable[None]]]:
    sink = WhipSink(config, listener)
    app = FastAPI()
    app.include_router(whip_router(sink, lambda token: token == TOKEN))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", ws="none", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]

    async def stop() -> None:
        await sink.close()
        server.should_exit = True
        await serving

    return Endpoint(f"http://127.0.0.1:{port}", sink, listener), stop


@pytest.fixture
async def serve_whip() -> AsyncIterator[Callable[..., Awaitable[Endpoint]]]:
    """Starts endpoints with given settings; stops them at the end of the test."""
    stops = []

    async def start(listener: Recorder | None = None, **settings: object) -> Endpoint:
        config = CallsConfig.model_validate({"loopback": True, **settings})
        endpoint, stop = await _start(config, listener or Recorder())
        stops.append(stop)
        return endpoint

    yield start
    for stop in stops:
        await stop()
