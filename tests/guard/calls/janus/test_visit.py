"""Leaving a room at an awkward moment, without a network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import pytest

from guard.calls.janus import visit
from guard.calls.janus.requests import Admission
from guard.calls.janus.session import JanusSession
from guard.calls.janus.visit import SUBPROTOCOL, RoomVisit
from guard.calls.peer import peers_here
from guard.config import CallsConfig
from tests.guard.calls.janus.fake_janus import ROOM, FakeJanus
from tests.whip_endpoint import Recorder


class Socket:
    """A WebSocket whose server says nothing by itself."""

    subprotocol = SUBPROTOCOL

    def __init__(self, server: FakeJanus) -> None:
        self._server = server
        self.is_waiting = asyncio.Event()
        self.next_message: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def send(self, text: str) -> None:
        self._server.handle(text)

    async def recv(self) -> str:
        self.is_waiting.set()
        return await self.next_message


async def test_a_guard_that_leaves_while_a_message_comes_has_left(monkeypatch: pytest.MonkeyPatch) -> None:
    server = FakeJanus()
    socket = Socket(server)

    @asynccontextmanager
    async def connect(_url: str, **_options: object) -> AsyncIterator[Socket]:
        yield socket

    monkeypatch.setattr(visit, "connect", connect)
    numbers = count()
    session = JanusSession(Admission(ROOM, None, None), None, 4, lambda: f"{next(numbers)}")
    running = asyncio.create_task(
        RoomVisit("ws://janus", session, "standup", 65_536, peers_here(CallsConfig(), Recorder())).run(lambda: None)
    )
    async with asyncio.timeout(20):
        await socket.is_waiting.wait()
        socket.next_message.set_result(server.take()[0])
        running.cancel()
        await asyncio.wait({running})
    assert running.cancelled()
