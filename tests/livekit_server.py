"""As much of a LiveKit server as one watcher needs: signalling over a WebSocket, media from aiortc.

Written from the protocol's published messages (`livekit-protocol`); what a real server does beyond that it does not do.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from aiortc import MediaStreamTrack, RTCIceCandidate, RTCPeerConnection, RTCSessionDescription
from aiortc.sdp import candidate_from_sdp
from livekit.protocol import models, rtc
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response


@dataclass
class LiveKitServer:
    """One room with `cameras`: identity -> a maker of its track."""

    cameras: dict[str, Callable[[], MediaStreamTrack]]
    port: int = 0
    paths: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    sockets: list[ServerConnection] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"livekit+ws://127.0.0.1:{self.port}"

    async def attend(self, socket: ServerConnection) -> None:
        """One watcher, from joining to leaving."""
        assert socket.request is not None
        self.paths.append(urlsplit(socket.request.path).path)
        query = parse_qs(urlsplit(socket.request.path).query)
        authorization = socket.request.headers.get("Authorization", "")
        self.tokens.append(query.get("access_token", [authorization.removeprefix("Bearer ")])[0])
        self.sockets.append(socket)
        visitor = _Visitor(self, socket)
        try:
            await visitor.run()
        finally:
            self.sockets.remove(socket)
            await visitor.pc.close()

    async def cut(self) -> None:
        """End every connection without a word."""
        for socket in list(self.sockets):
            socket.transport.abort()


class _Visitor:
    def __init__(self, server: LiveKitServer, socket: ServerConnection) -> None:
        self.server, self.socket = server, socket
        self.pc = RTCPeerConnection()
        self.pc.createDataChannel("_reliable")
        self.sent: set[str] = set()
        self.wanted: list[str] = []
        self.offers = 0

    async def run(self) -> None:
        await self.send(join=self.join_response())
        await self.offer()
        with suppress(ConnectionClosed):
            async for message in self.socket:
                request = rtc.SignalRequest.FromString(message if isinstance(message, bytes) else message.encode())
                kind = str(request.WhichOneof("message"))
                self.server.requests.append(kind)
                if kind == "leave":
                    return
                await self.obey(kind, getattr(request, kind))

    async def obey(self, kind: str, body: Any) -> None:
        match kind:
            case "answer":
                await self.pc.setRemoteDescription(RTCSessionDescription(body.sdp, "answer"))
                await self.add_wanted()
            case "trickle":
                if body.target == rtc.SignalTarget.SUBSCRIBER and (candidate := _candidate(body.candidateInit)):
                    await self.pc.addIceCandidate(candidate)
            case "subscription" if body.subscribe:
                self.wanted += [sid for sid in body.track_sids if sid not in self.sent]
                await self.add_wanted()
            case "ping_req":
                await self.send(pong_resp=rtc.Pong(last_ping_timestamp=body.timestamp))

    async def add_wanted(self) -> None:
        """Offer what was asked for; one offer at a time may be unanswered."""
        if self.pc.signalingState != "stable" or not self.wanted:
            return
        for sid in self.wanted:
            number = int(sid.removeprefix("TR_"))
            sender = self.pc.addTrack(list(self.server.cameras.values())[number]())
            sender._stream_id, sender._track_id = f"PA_{number}|{sid}", sid
        self.sent.update(self.wanted)
        self.wanted.clear()
        await self.offer()

    async def offer(self) -> None:
        await self.pc.setLocalDescription(await self.pc.createOffer())
        description = self.pc.localDescription
        self.offers += 1
        await self.send(offer=rtc.SessionDescription(type="offer", sdp=description.sdp, id=self.offers))

    def join_response(self) -> Any:
        return rtc.JoinResponse(
            room=models.Room(sid="RM_1", name="standup"),
            participant=models.ParticipantInfo(sid="PA_guard", identity="guard", state=models.ParticipantInfo.ACTIVE),
            other_participants=[_participant(*numbered) for numbered in enumerate(self.server.cameras)],
            server_version="1.8.0",
            subscriber_primary=True,
            ping_timeout=15,
            ping_interval=5,
            server_info=models.ServerInfo(version="1.8.0", protocol=15),
        )

    async def send(self, **message: Any) -> None:
        with suppress(ConnectionClosed):
            await self.socket.send(rtc.SignalResponse(**message).SerializeToString())


def _participant(number: int, identity: str) -> Any:
    camera = models.TrackInfo(
        sid=f"TR_{number}",
        type=models.TrackType.VIDEO,
        source=models.TrackSource.CAMERA,
        name="camera",
        width=320,
        height=240,
        mime_type="video/VP8",
    )
    return models.ParticipantInfo(
        sid=f"PA_{number}", identity=identity, state=models.ParticipantInfo.ACTIVE, tracks=[camera]
    )


def _candidate(text: str) -> RTCIceCandidate | None:
    init = json.loads(text)
    line = init["candidate"].removeprefix("candidate:")
    if not line:
        return None
    candidate = candidate_from_sdp(line)
    candidate.sdpMid, candidate.sdpMLineIndex = init.get("sdpMid"), init.get("sdpMLineIndex")
    return candidate


def _only_two_connections(connection: ServerConnection, request: Request) -> Response | None:
    """Refuse the newer signalling with one peer connection, as servers do that do not know it; clients fall back."""
    return connection.respond(404, "") if urlsplit(request.path).path != "/rtc" else None


@asynccontextmanager
async def running(server: LiveKitServer) -> AsyncIterator[LiveKitServer]:
    """Serve on a free loopback port."""
    async with serve(server.attend, "127.0.0.1", server.port, process_request=_only_two_connections) as listener:
        server.port = next(iter(listener.sockets)).getsockname()[1]
        yield server
        await server.cut()
        await asyncio.sleep(0)
