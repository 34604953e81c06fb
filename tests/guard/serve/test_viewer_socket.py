"""The event WebSocket over real loopback connections."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.protocol import State
from websockets.typing import Origin

from guard.config import ServerConfig
from guard.serve.app import create_app
from guard.serve.events import EVENT_ADAPTER, HelloEvent
from guard.serve.hub import EventHub
from guard.serve.run import RunningServer, serve
from guard.serve.viewers import MAX_VIEWERS
from tests.guard.serve.scripted_guard import BEARER, ScriptedGuard, alert, score


def address(server: RunningServer, query: str = "", call: str = "main") -> str:
    return f"ws://127.0.0.1:{server.port}/ws/{call}{query}"


async def received(connection: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(5):
        message: dict[str, Any] = json.loads(await connection.recv())
        return message


async def hello_of(connection: ClientConnection) -> HelloEvent:
    return HelloEvent.model_validate(await received(connection))


@asynccontextmanager
async def viewing(server: RunningServer, query: str = "") -> AsyncIterator[tuple[ClientConnection, HelloEvent]]:
    """A connection by header that has had its hello."""
    async with connect(address(server, query), additional_headers=BEARER) as connection:
        yield connection, await hello_of(connection)


async def new_ticket(server: RunningServer) -> str:
    async with httpx.AsyncClient(base_url=server.url, headers=BEARER) as client:
        return str((await client.post("/api/tickets")).json()["ticket"])


async def close_of(connection: ClientConnection) -> tuple[int | None, str | None]:
    """Code and reason with which the server ends the connection."""
    async with asyncio.timeout(5):
        await connection.wait_closed()
    return connection.close_code, connection.close_reason


async def refusal_of(url: str, headers: dict[str, str] | None = None, origin: str | None = None) -> int:
    """HTTP status with which the handshake is refused."""
    with pytest.raises(InvalidStatus) as refused:
        async with connect(url, additional_headers=headers, origin=None if origin is None else Origin(origin)):
            pytest.fail("the server let us in")
    body = json.loads(refused.value.response.body or b"")
    assert body["status"] == refused.value.response.status_code
    return refused.value.response.status_code


async def test_hello_comes_first_and_then_what_is_published(server: RunningServer, hub: EventHub) -> None:
    async with viewing(server) as (connection, hello):
        assert [snapshot.participant for snapshot in hello.participants] == ["alice"]
        assert hello.resumed_from is None
        published = hub.publish("main", "alice", alert("driver does not match"))
        hub.publish("another", "bob", alert("not for us"))
        after = hub.publish("main", None, alert("second"))
        assert EVENT_ADAPTER.validate_python(await received(connection)) == published
        assert EVENT_ADAPTER.validate_python(await received(connection)) == after
        assert published.seq == hello.seq + 1


async def test_coming_back_with_the_last_seq_brings_what_was_missed(server: RunningServer, hub: EventHub) -> None:
    async with viewing(server):
        seen = hub.publish("main", None, alert("seen"))
    missed = [hub.publish("main", None, alert(f"missed {number}")) for number in range(20)]
    async with viewing(server, f"?since={seen.seq}") as (connection, hello):
        assert (hello.resumed_from, hello.seq) == (seen.seq, missed[-1].seq)
        assert [(await received(connection))["seq"] for _ in missed] == [event.seq for event in missed]


@pytest.mark.parametrize("since", [1, 2**53])  # too old, from the future
async def test_an_unknown_seq_brings_the_snapshot_only(server: RunningServer, hub: EventHub, since: int) -> None:
    hub.publish("main", None, alert("before"))
    async with viewing(server, f"?since={since}") as (connection, hello):
        assert hello.resumed_from is None
        after = hub.publish("main", None, alert("after"))
        assert (await received(connection))["seq"] == after.seq == hello.seq + 1


async def test_a_browser_gets_in_with_a_ticket_once(server: RunningServer) -> None:
    url = address(server, f"?ticket={await new_ticket(server)}")
    async with connect(url, origin=Origin(server.url)) as connection:
        assert (await hello_of(connection)).call == "main"
    assert await refusal_of(url, origin=server.url) == 401


@pytest.mark.parametrize(
    ("origin", "header", "status"),
    [
        (None, {}, 401),  # neither header nor browser
        (None, {"Authorization": "Bearer wrong"}, 401),
        ("same", {}, 401),  # a browser without a ticket
        ("https://evil.example.org", {}, 403),
        ("https://evil.example.org", BEARER, 403),  # even with the token
        ("null", BEARER, 403),
    ],
)
async def test_strangers_are_refused_at_the_handshake(
    server: RunningServer, origin: str | None, header: dict[str, str], status: int, caplog: pytest.LogCaptureFixture
) -> None:
    origin = server.url if origin == "same" else origin
    assert await refusal_of(address(server), header, origin) == status
    await asyncio.gather(*[task for task in asyncio.all_tasks() if "run_asgi" in str(task.get_coro())])
    assert not caplog.records  # strangers cannot fill the log


async def test_a_ticket_needs_a_browser_and_the_right_origin(server: RunningServer) -> None:
    ticket = await new_ticket(server)
    assert await refusal_of(address(server, f"?ticket={ticket}")) == 401
    assert await refusal_of(address(server, f"?ticket={ticket}"), origin="https://evil.example.org") == 403
    async with connect(address(server, f"?ticket={ticket}"), origin=Origin(server.url)) as connection:
        assert await hello_of(connection)  # neither attempt has used it up


@pytest.mark.parametrize(
    ("query", "call"),
    [("?since=-1", "main"), ("?since=x", "main"), ("?since=1e400", "main"), ("", "a%20b"), ("", ".."), ("", "x" * 65)],
)
async def test_bad_parameters_are_refused(server: RunningServer, query: str, call: str) -> None:
    with pytest.raises(InvalidStatus):
        async with connect(address(server, query, call), additional_headers=BEARER):
            pytest.fail("the server let us in")


async def test_a_ping_is_answered(server: RunningServer) -> None:
    async with viewing(server) as (connection, _):
        await connection.send('{"type":"ping"}')
        assert await received(connection) == {"type": "pong"}


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("hello", 1008),  # no JSON
        ("[]", 1008),  # no object
        ('{"type":"pong"}', 1008),  # not for clients
        ('{"type":"ping","x":1}', 1008),  # unknown field
        ('{"type":"ping"}' + " " * 100, 1008),  # longer than any ping
        (b"\x00\x01", 1008),  # binary
        ("x" * 5000, 1009),  # larger than the protocol layer takes
    ],
)
async def test_clients_that_say_anything_else_must_go(
    server: RunningServer, hub: EventHub, message: str | bytes, code: int
) -> None:
    async with viewing(server) as (good, _), viewing(server) as (bad, _):
        await bad.send(message)
        assert (await close_of(bad))[0] == code
        event = hub.publish("main", None, alert("still there"))
        assert (await received(good))["seq"] == event.seq


async def test_invalid_utf8_ends_only_its_connection(server: RunningServer, caplog: pytest.LogCaptureFixture) -> None:
    async with viewing(server) as (connection, _):
        await connection.send(b"\xff\xfe", text=True)
        assert (await close_of(connection))[0] == 1007
    async with viewing(server) as (_, hello):
        assert hello.call == "main"


async def test_floods_of_pings_end_the_connection(server: RunningServer) -> None:
    async with viewing(server) as (connection, _):
        with pytest.raises(ConnectionClosed):
            for _ in range(1000):
                await connection.send('{"type":"ping"}')
                await connection.recv()
        assert await close_of(connection) == (1008, "too many messages")


async def narrow_socket(server: RunningServer) -> socket.socket:
    """A connection with a small receive buffer: it is full as soon as its owner does not read."""
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.setblocking(False)
    await asyncio.get_running_loop().sock_connect(narrow, ("127.0.0.1", server.port))
    return narrow


async def publish_to(connection: ClientConnection, hub: EventHub, fields: dict[str, object], count: int) -> list[int]:
    """Publish events one by one, each as soon as this viewer has received the one before. Returns their numbers."""
    numbers = []
    for _ in range(count):
        event = hub.publish("main", "alice", fields)
        assert (await received(connection))["seq"] == event.seq
        numbers.append(event.seq)
    return numbers


async def test_a_viewer_that_does_not_read_is_cut_off_and_holds_nobody_up(server: RunningServer, hub: EventHub) -> None:
    """Alerts fill its socket and then its queue: it is evicted, its socket is freed, and others miss nothing."""
    narrow = await narrow_socket(server)
    deaf = await connect(address(server), additional_headers=BEARER, sock=narrow, max_queue=1, ping_interval=None)
    async with viewing(server) as (connection, hello):
        numbers = await publish_to(connection, hub, alert("x" * 20_000), 400)
        assert numbers == list(range(hello.seq + 1, hello.seq + 401))
    got = 0
    with pytest.raises(ConnectionClosed):
        while (await received(deaf))["seq"] <= numbers[-1]:
            got += 1
    assert 0 < got < 400


async def test_a_slow_viewer_loses_scores_but_no_alert(server: RunningServer, hub: EventHub) -> None:
    """Its socket is full, so that its queue keeps a few of the scores; the alerts among them arrive."""
    narrow = await narrow_socket(server)
    async with (
        connect(address(server), additional_headers=BEARER, sock=narrow, max_queue=1, ping_interval=None) as slow,
        viewing(server) as (quick, _),
    ):
        published, alerts = [], []
        for _ in range(3):
            published += await publish_to(quick, hub, score("x" * 20_000), 150)
            alerts += await publish_to(quick, hub, alert("driver does not match"), 1)
        await hello_of(slow)
        got = [await received(slow)]
        while got[-1]["seq"] != alerts[-1]:
            got.append(await received(slow))
        assert [event["seq"] for event in got if event["type"] == "alert"] == alerts
        numbers = [event["seq"] for event in got]
        assert numbers == sorted(set(numbers))
        assert len(numbers) < len(published)
        latest = hub.publish("main", None, alert("still connected"))
        assert (await received(slow))["seq"] == latest.seq


@pytest.fixture
def restless_config(server_config: ServerConfig) -> ServerConfig:
    """Heartbeats every twentieth of a second."""
    return server_config.model_copy(update={"heartbeat_seconds": 0.05})


async def test_idle_connections_get_heartbeats_and_silent_peers_are_dropped(
    guard_service: ScriptedGuard, hub: EventHub, restless_config: ServerConfig
) -> None:
    async with serve(create_app(guard_service, hub, restless_config), restless_config) as server:
        narrow = await narrow_socket(server)
        key = base64.b64encode(b"0123456789abcdef").decode()
        handshake = (
            f"GET /ws/main HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nAuthorization: {BEARER['Authorization']}\r\n\r\n"
        )
        reader, writer = await asyncio.open_connection(sock=narrow)
        writer.write(handshake.encode())
        async with asyncio.timeout(5):
            answer = await reader.read()  # to the end: this peer answers no ping
        writer.close()
        assert b" 101 " in answer
        assert b"\x89\x04" in answer  # a ping of four bytes
        assert b"keepalive ping timeout" in answer
        async with viewing(server) as (connection, _):
            async with asyncio.timeout(5):
                await connection.ping()
            assert connection.state is State.OPEN


async def test_the_number_of_viewers_is_bounded(server: RunningServer) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(MAX_VIEWERS):
            await stack.enter_async_context(viewing(server))
        assert await refusal_of(address(server), BEARER) == 503
    async with viewing(server) as (_, hello):  # there is room again
        assert hello.call == "main"


async def test_stopping_the_server_tells_its_viewers(app: FastAPI, server_config: ServerConfig) -> None:
    async with serve(app, server_config) as server:
        connection = await connect(address(server), additional_headers=BEARER)
        await hello_of(connection)
    assert (await close_of(connection))[0] == 1012
