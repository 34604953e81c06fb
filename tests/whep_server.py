"""A WHEP server on loopback: HTTP in front, and whoever answers offers behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import uvicorn
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import VideoStreamTrack
from av import VideoFrame
from fastapi import FastAPI, Request
from fastapi.responses import Response

from guard.calls.ice_hardening import install_loopback_candidates
from tests.whip_endpoint import numbered_frames, until

TOKEN = "s3cret-of-the-viewer"
SDP_TYPE = "application/sdp"

AnswerOffer = Callable[[str], Awaitable[str]]


class NumberedTrack(VideoStreamTrack):
    """Pictures numbered from `first` on, so that a receiver knows whose they are."""

    def __init__(self, first: int = 0, width: int = 320) -> None:
        super().__init__()
        self._next_frame = numbered_frames(width=width, first=first)

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
class WhepServer:
    """What the server was asked, and where it is."""

    url: str
    posts: list[str | None] = field(default_factory=list)
    """The Authorization header of every POST."""
    deletes: list[str | None] = field(default_factory=list)
    """The Authorization header of every DELETE."""


@asynccontextmanager
async def whep_server(answer: AnswerOffer, port: int = 0) -> AsyncIterator[WhepServer]:
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
        return Response(answer_sdp, 201, {"Location": location, "ETag": '"x"'}, SDP_TYPE)

    @app.delete("/whep/sessions/{session}")
    async def stop(session: str, request: Request) -> Response:
        running.deletes.append(request.headers.get("authorization"))
        return Response(status_code=200)

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
