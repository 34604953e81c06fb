"""What any aiortc program does: `recv()` and `to_ndarray("bgr24")`, in a process of its own: `python -m ...plain_sink`.

The bench's measure for the guard's receive path. A WHIP endpoint that takes everybody, in front of aiortc as it comes.
It notes when each picture was there as an array, and the rows that hold its number, to be read at the end.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np
import uvicorn
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import VideoFrame
from fastapi import FastAPI, Request, Response
from numpy.typing import NDArray
from pydantic import TypeAdapter

from engines.pixels import luma_plane
from guard.bench.barcode import number_rows, read_rows
from guard.bench.child import Answer, run_child
from guard.calls.bounded_close import close_within
from guard.calls.ice_hardening import install_loopback_candidates

_ROW_STEP = 4
"""Every fourth of the rows that hold the number is enough to read it."""
_CLOSE_SECONDS = 5.0
_LOOK_SECONDS = 0.01
_CREATED = 201


@dataclass(frozen=True, slots=True)
class PlainSample:
    """numbers, array_at: of every picture so far, by stream; None where a number cannot be read."""

    numbers: dict[str, list[int | None]]
    array_at: dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class PlainUsage:
    """So far: pictures of all streams, CPU of the process."""

    frames: int
    cpu_seconds: float


SAMPLE: TypeAdapter[PlainSample] = TypeAdapter(PlainSample)
USAGE: TypeAdapter[PlainUsage] = TypeAdapter(PlainUsage)


def sampled_rows(luma: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A copy of what tells a picture's number, small enough to keep one of every picture."""
    return number_rows(luma)[::_ROW_STEP].copy()


async def receive_plainly(track: MediaStreamTrack, arrived: Callable[[VideoFrame, float], None]) -> None:
    """Make an array of every picture until the track ends; `arrived` gets the picture and `time.monotonic()` then."""
    while True:
        try:
            image = await track.recv()
        except MediaStreamError:
            return
        if isinstance(image, VideoFrame):
            image.to_ndarray(format="bgr24")
            arrived(image, time.monotonic())


@dataclass(slots=True)
class _Stream:
    rows: list[NDArray[np.uint8]] = field(default_factory=list)
    array_at: list[float] = field(default_factory=list)

    def arrived(self, image: VideoFrame, at: float) -> None:
        self.array_at.append(at)
        self.rows.append(sampled_rows(luma_plane(image).pixels))


class _Sink:
    def __init__(self) -> None:
        self.streams: dict[str, _Stream] = {}
        self._connections: list[RTCPeerConnection] = []
        self._receiving: set[asyncio.Task[None]] = set()

    async def accept(self, name: str, offer_sdp: str) -> str:
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._connections.append(connection)
        await connection.setRemoteDescription(RTCSessionDescription(offer_sdp, "offer"))
        track = connection.getTransceivers()[0].receiver.track
        stream = self.streams.setdefault(name, _Stream())
        self._receiving.add(asyncio.create_task(receive_plainly(track, stream.arrived)))
        await connection.setLocalDescription()
        return str(connection.localDescription.sdp)

    async def close(self) -> None:
        for task in self._receiving:
            task.cancel()
        await asyncio.gather(*(close_within(connection, _CLOSE_SECONDS) for connection in self._connections))


@asynccontextmanager
async def _serving(_job: bytes) -> AsyncIterator[Mapping[str, Answer]]:
    install_loopback_candidates()
    sink, app = _Sink(), FastAPI()

    @app.post("/whip/{name}")
    async def publish(name: str, request: Request) -> Response:
        answer = await sink.accept(name, (await request.body()).decode())
        return Response(answer, _CREATED, {"Location": f"/whip/{name}"}, "application/sdp")

    @app.delete("/whip/{name}")
    async def leave(name: str) -> Response:
        return Response(None, 200 if name in sink.streams else 404)

    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", ws="none", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn tells nobody
        await asyncio.sleep(_LOOK_SECONDS)

    async def where() -> object:
        return f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/whip"

    async def sample() -> object:
        numbers = {name: [read_rows(rows) for rows in stream.rows] for name, stream in sink.streams.items()}
        array_at = {name: list(stream.array_at) for name, stream in sink.streams.items()}
        return SAMPLE.dump_python(PlainSample(numbers, array_at), mode="json")

    async def usage() -> object:
        frames = sum(len(stream.array_at) for stream in sink.streams.values())
        return USAGE.dump_python(PlainUsage(frames, time.process_time()))

    try:
        yield {"where": where, "report": sample, "usage": usage}
    finally:
        await sink.close()
        server.should_exit = True
        await serving


if __name__ == "__main__":
    run_child(_serving)
