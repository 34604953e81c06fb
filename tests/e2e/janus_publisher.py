"""A publisher in a VideoRoom without a browser: aiortc sending numbered pictures."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from itertools import count
from types import TracebackType
from typing import Any, Self

import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from av import VideoFrame
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from guard.bench.barcode import write_number
from guard.calls.bounded_close import close_within
from guard.calls.publisher import NextFrame, _PacedTrack


class JanusPublisher:
    """Publishes in `room` under `display` while the context lasts; `fields` go into the join, e.g. a pin.

    The pictures are numbered from `first_number`, so that those of several publishers can be told apart.
    """

    def __init__(self, url: str, room: int, display: str, first_number: int = 0, **fields: Any) -> None:
        self._url = url
        self._body = {"request": "joinandconfigure", "ptype": "publisher", "room": room, "display": display, **fields}
        self._track = _PacedTrack(_numbered_from(first_number), 30)
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._transactions = count(1)
        self._session: dict[str, int] = {}
        self._socket: ClientConnection | None = None
        self._reading: asyncio.Task[None] | None = None
        self.feed = 0

    async def __aenter__(self) -> Self:
        self._connection.addTransceiver(self._track, direction="sendonly")
        await self._connection.setLocalDescription()
        self._socket = await connect(self._url, subprotocols=[Subprotocol("janus-protocol")])
        self._session["session_id"] = (await self._ask({"janus": "create"}))["data"]["id"]
        plugin = {"janus": "attach", "plugin": "janus.plugin.videoroom"}
        self._session["handle_id"] = (await self._ask(plugin))["data"]["id"]
        offer = {"type": "offer", "sdp": self._connection.localDescription.sdp}
        joined = await self._ask({"janus": "message", "body": self._body, "jsep": offer})
        self.feed = joined["plugindata"]["data"]["id"]
        await self._connection.setRemoteDescription(RTCSessionDescription(joined["jsep"]["sdp"], "answer"))
        self._reading = asyncio.create_task(self._read_on(self._socket))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._track.stop()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait({self._reading})
        if self._socket is not None:
            with suppress(ConnectionClosed, TimeoutError):
                await self._ask({"janus": "destroy"})
            await self._socket.close()
        await close_within(self._connection, 5)

    @staticmethod
    async def _read_on(socket: ClientConnection) -> None:
        with suppress(ConnectionClosed):
            async for _ in socket:
                pass

    async def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._socket is not None
        transaction = str(next(self._transactions))
        await self._socket.send(json.dumps({**request, **self._session, "transaction": transaction}))
        async with asyncio.timeout(10):
            while True:
                reply: dict[str, Any] = json.loads(await self._socket.recv())
                if reply.get("transaction") == transaction and reply["janus"] != "ack":
                    return reply


def _numbered_from(first_number: int) -> NextFrame:
    numbers = count(first_number)

    def next_frame() -> VideoFrame:
        planes = np.full((360, 320), 128, np.uint8)
        write_number(planes[:240], next(numbers))
        return VideoFrame.from_ndarray(planes, format="yuv420p")

    return next_frame
