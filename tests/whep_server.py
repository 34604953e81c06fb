"""A WHEP server on loopback: HTTP in front, and whoever answers offers behind it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any

import uvicorn
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import VideoStreamTrack
from av import VideoFrame
from fastapi import APIRouter, Depends, FastAPI, Header, Request
from fastapi.responses import Response, StreamingResponse

from guard.calls.ice_hardening import install_loopback_candidates
from guard.calls.whep.client import EVENTS_RELATION, LAYER_RELATION
from tests.whip_endpoint import numbered_frames, until

TOKEN = "s3cret-of-the-viewer"
SDP_TYPE = "application/sdp"

AnswerOffer = Callable[[str], Awaitable[str]]


class NumberedTrack(VideoStreamTrack):
    """Pictures numbered from `first` on, so that a receiver knows whose they are."""

    def __init__(self, first: int = 0, width: int = 320) -> None:
        super().__init__()
        self._first = first
        self.resize(width, 240)

    def resize(self, width: int, height: int) -> None:
        """From now on, pictures of this size."""
        self._next_frame = numbered_frames(width=width, height=height, first=self._first)

    async def recv(self) -> VideoFrame:
        pts, time_base = await self.next_timestamp()
        frame = self._next_frame()
        assert frame is not None
        frame.pts, frame.time_base = pts, time_base
        return frame


@dataclass
class AiortcSender:
    """Answers offers with aiortc connections that send numbered pictures, or makes such offers."""

    configuration: RTCConfiguration = field(default_factory=lambda: RTCConfiguration(iceServers=[]))
    connections: list[RTCPeerConnection] = field(default_factory=list)

    async def answer(self, offer_sdp: str) -> str:
        connection = self._sending()
        await connection.setRemoteDescription(RTCSessionDescription(offer_sdp, "offer"))
        await connection.setLocalDescription()
        return connection.localDescription.sdp

    async def offering(self) -> RTCPeerConnection:
        """A new connection whose local description is an offer."""
        connection = self._sending()
        await connection.setLocalDescription()
        return connection

    async def connect(self, connection: RTCPeerConnection, answer_sdp: str) -> None:
        await connection.setRemoteDescription(RTCSessionDescription(answer_sdp, "answer"))

    def _sending(self) -> RTCPeerConnection:
        install_loopback_candidates()
        connection = RTCPeerConnection(self.configuration)
        self.connections.append(connection)
        connection.addTrack(NumberedTrack())
        return connection

    async def vanish(self) -> None:
        """Sockets gone without a word, as when a server is killed; then the rest is cleaned up."""
        for connection in self.connections:
            await connection.getTransceivers()[0].receiver.transport.transport.stop()
            await connection.close()
        self.connections.clear()


@dataclass
class LayerDesk:
    """The choice of layers that a server offers for its video."""

    links: tuple[str, ...] = (f'</layer/1>; rel="{LAYER_RELATION}"', f'</sse/1>; rel="{EVENTS_RELATION}"')
    stream_is_posted: bool = True
    """As in the draft; other servers have the stream at the address where it is asked for."""
    select_status: int = 200
    selections: list[Any] = field(default_factory=list)
    streams: int = 0
    """How often the stream was opened."""
    _said: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)

    def tell(self, layers: Any) -> None:
        """Send a "layers" event."""
        self.say(b"event: layers\ndata: " + json.dumps(layers).encode() + b"\n\n")

    def say(self, text: bytes | None) -> None:
        """Send this in the stream; None ends it."""
        self._said.put_nowait(text)

    async def stream(self) -> AsyncIterator[bytes]:
        self.streams += 1
        while (text := await self._said.get()) is not None:
            yield text


@dataclass
class WhepServer:
    """What the server was asked, and where it is."""

    url: str
    posts: list[str | None] = field(default_factory=list)
    """The Authorization header of every POST."""
    deletes: list[str | None] = field(default_factory=list)
    """The Authorization header of every DELETE."""


@asynccontextmanager
async def whep_server(answer: AnswerOffer, port: int = 0, layers: LayerDesk | None = None) -> AsyncIterator[WhepServer]:
    """Serve one resource, /whep/ann, on a free port of loopback or on the given one."""
    app = FastAPI()
    running = WhepServer("")

    @app.post("/whep/ann")
    async def play(request: Request) -> Response:
        running.posts.append(request.headers.get("authorization"))
        if running.posts[-1] != f"Bearer {TOKEN}":
            return Response(status_code=401)
        answer_sdp = await answer((await request.body()).decode())
        location = f"/whep/sessions/{len(running.posts)}"
        response = Response(answer_sdp, 201, {"Location": location, "ETag": '"x"'}, SDP_TYPE)
        for link in layers.links if layers is not None else ():
            response.headers.append("Link", link)
        return response

    @app.delete("/whep/sessions/{session}")
    async def stop(session: str, request: Request) -> Response:
        running.deletes.append(request.headers.get("authorization"))
        return Response(status_code=200)

    if layers is not None:
        app.include_router(_layer_router(layers))
    config = uvicorn.Config(app, port=port, log_level="warning", ws="none", lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    try:
        await until(lambda: server.started)
        bound = server.servers[0].sockets[0].getsockname()[1]
        running.url = f"whep+http://127.0.0.1:{bound}/whep/ann"
        yield running
    finally:
        server.should_exit = True
        await serving


def _layer_router(desk: LayerDesk) -> APIRouter:
    def known(authorization: Annotated[str, Header()]) -> None:
        assert authorization == f"Bearer {TOKEN}"

    router = APIRouter(dependencies=[Depends(known)])

    @router.post("/layer/1")
    async def select(request: Request) -> Response:
        assert request.headers["content-type"] == "application/json"
        desk.selections.append(await request.json())
        return Response(status_code=desk.select_status)

    @router.post("/sse/1")
    async def create_stream(request: Request) -> Response:
        assert await request.json() == ["layers"]
        return Response(status_code=201, headers={"Location": "/sse/1/stream"}) if desk.stream_is_posted else Response()

    @router.get("/sse/1/stream" if desk.stream_is_posted else "/sse/1")
    async def stream() -> Response:
        return StreamingResponse(desk.stream(), media_type="text/event-stream")

    return router


@asynccontextmanager
async def raw_server(reply: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[str]:
    """A server that reads a request's head and lets `reply` write whatever it likes; gives its WHEP address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await reply(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"whep+http://127.0.0.1:{server.sockets[0].getsockname()[1]}/whep/ann"
    finally:
        server.close()
