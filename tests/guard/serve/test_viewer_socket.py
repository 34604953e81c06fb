"""The event WebSocket over a real loopback connection."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from guard.serve.events import EVENT_ADAPTER, HelloEvent
from guard.serve.hub import EventHub
from guard.serve.run import RunningServer
from tests.guard.serve.scripted_guard import BEARER, alert


def socket_url(server: RunningServer, query: str = "") -> str:
    return f"ws://127.0.0.1:{server.port}/ws/main{query}"


async def received(connection: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(5):
        message: dict[str, Any] = json.loads(await connection.recv())
        return message


async def test_hello_comes_first_and_then_what_is_published(server: RunningServer, hub: EventHub) -> None:
    async with connect(socket_url(server), additional_headers=BEARER) as connection:
        hello = EVENT_ADAPTER.validate_python(await received(connection))
        assert isinstance(hello, HelloEvent)
        assert [snapshot.participant for snapshot in hello.participants] == ["alice"]
        published = hub.publish("main", "alice", alert("driver does not match"))
        assert EVENT_ADAPTER.validate_python(await received(connection)) == published
        assert published.seq == hello.seq + 1
