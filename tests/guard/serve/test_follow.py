"""Following a guard from a program, and `guard watch` on top of it."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi import FastAPI

from guard.config import ServerConfig
from guard.errors import ServerError
from guard.serve.client import follow
from guard.serve.events import (
    EVENT_ADAPTER,
    Event,
    HelloEvent,
)
from guard.serve.hub import EventHub
from guard.serve.run import RunningServer, serve
from guard.watch import event_line, watch
from tests.guard.serve.scripted_guard import ENGINE, TOKEN, alert, engine, health, score, source

Events = AsyncGenerator[tuple[str, Event], None]


async def take(events: Events) -> Event:
    async with asyncio.timeout(10):
        return (await anext(events))[1]


async def test_events_arrive_as_text_and_value(server: RunningServer, hub: EventHub) -> None:
    async with aclosing(follow(server.url, token=TOKEN, call="main")) as events:
        assert isinstance(await take(events), HelloEvent)
        published = hub.publish("main", "alice", alert("driver does not match"))
        text, event = await anext(events)
        assert event == published == EVENT_ADAPTER.validate_json(text)


async def test_a_restarted_connection_goes_on_where_it_broke_off(
    app: FastAPI, server_config: ServerConfig, hub: EventHub
) -> None:
    lost: list[str] = []
    async with serve(app, server_config) as first:
        port = first.port
        events = follow(first.url, token=TOKEN, call="main", on_lost=lost.append, first_pause_seconds=0.01)
        await take(events)
        seen = hub.publish("main", None, alert("seen"))
        assert await take(events) == seen
    missed = [hub.publish("main", None, alert(f"missed {number}")) for number in range(5)]
    async with serve(app, server_config.model_copy(update={"port": port})), aclosing(events):
        hello = await take(events)
        assert isinstance(hello, HelloEvent)
        assert hello.resumed_from == seen.seq
        assert [await take(events) for _ in missed] == missed
    assert lost


async def test_a_connection_lost_before_the_missed_events_came_loses_nothing(
    app: FastAPI, server_config: ServerConfig, hub: EventHub
) -> None:
    """The hello of a resumed connection has a larger number than what follows; it must not be taken as the position."""
    start = hub.publish("main", None, alert("start"))
    missed = [hub.publish("main", None, alert(f"missed {number}")) for number in range(5)]
    async with serve(app, server_config) as first:
        port = first.port
        events = follow(first.url, token=TOKEN, call="main", since=start.seq, first_pause_seconds=0.01)
        assert isinstance(await take(events), HelloEvent)
        assert await take(events) == missed[0]
    async with serve(app, server_config.model_copy(update={"port": port})), aclosing(events):
        got = [await take(events) for _ in range(5)]
    assert [event for event in got if not isinstance(event, HelloEvent)] == missed[1:5]


@pytest.mark.parametrize(
    ("token", "call", "says"),
    [
        ("wrong", "main", "refused the token"),
        (None, "main", "refused the token"),
        (TOKEN, "no such name!", "check address and name of the call"),
    ],
)
async def test_refusals_are_one_clear_line(server: RunningServer, token: str | None, call: str, says: str) -> None:
    with pytest.raises(ServerError, match=says) as refused:
        await take(follow(server.url, token=token, call=call))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "http://", "http:///path", ""])
async def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ServerError, match="no address of a guard"):
        await take(follow(url, token=TOKEN, call="main"))


async def test_nobody_there_is_said_at_once(server_config: ServerConfig, app: FastAPI) -> None:
    async with serve(app, server_config) as stopped:
        pass
    with pytest.raises(ServerError, match=r"cannot reach a guard at .*Connection refused; is 'guard serve' running"):
        await take(follow(stopped.url, token=TOKEN, call="main"))


async def test_another_kind_of_server_is_said() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"220 mail.example.org ESMTP\r\n")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as mail:
        port = mail.sockets[0].getsockname()[1]
        with pytest.raises(ServerError, match="what answers there is no guard"):
            await take(follow(f"127.0.0.1:{port}", token=TOKEN, call="main"))


async def watched(
    server: RunningServer, hub: EventHub, capsys: pytest.CaptureFixture[str], *, json_lines: bool
) -> list[str]:
    """What `guard watch` prints of three events."""
    position = hub.publish("main", None, alert("before")).seq
    for fields in (score("steady"), health(30), alert("driver does not match the enrolled template")):
        hub.publish("main", "alice", fields)
    watching = asyncio.create_task(watch(server.url, token=TOKEN, since=position, json_lines=json_lines))
    out = ""
    async with asyncio.timeout(10):
        while out.count("\n") < 4:
            await asyncio.sleep(0.01)
            out += capsys.readouterr().out
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    return out.splitlines()


async def test_watch_prints_json_lines(
    server: RunningServer, hub: EventHub, capsys: pytest.CaptureFixture[str]
) -> None:
    lines: list[dict[str, Any]] = [json.loads(line) for line in await watched(server, hub, capsys, json_lines=True)]
    assert [line["type"] for line in lines] == ["hello", "score", "health", "alert"]


async def test_watch_prints_lines_for_people(
    server: RunningServer, hub: EventHub, capsys: pytest.CaptureFixture[str]
) -> None:
    hello, scored, healthy, alerted = await watched(server, hub, capsys, json_lines=False)
    assert "engine scripted on cpu: alice unenrolled" in hello
    assert re.search(r"alice +score +verified +llr +\+0\.70  evidence +\+4\.10 nats  29\.8 fps +40 ms  steady", scored)
    assert "received 30, dropped 0" in healthy
    assert "critical: driver does not match the enrolled template" in alerted


@pytest.mark.parametrize("flags", [[], ["--json"]])
async def test_watch_ends_quietly_when_its_reader_has_seen_enough(
    server: RunningServer, hub: EventHub, flags: list[str]
) -> None:
    """`guard watch ... | head -1`: no traceback, exit status 0."""
    command = [
        sys.executable,
        "-c",
        "from guard.cli import main; main()",
        "watch",
        server.url,
        "--token",
        TOKEN,
        *flags,
    ]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    if process.stdout is None or process.stderr is None:
        pytest.fail("no pipes")
    async with asyncio.timeout(30):
        assert b"hello" in await process.stdout.readline()
        process.stdout._transport.close()  # type: ignore[attr-defined]
        while process.returncode is None:
            hub.publish("main", None, alert("next"))
            await asyncio.sleep(0.01)
        assert (await process.stderr.read(), process.returncode) == (b"", 0)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        (
            {"type": "state", "previous": "verified", "state": "mismatch", "why": "evidence -3.4"},
            "verified -> mismatch",
        ),
        ({"type": "participant", "action": "enrolling", "enrolment_progress": 0.5}, "enrolling 50%"),
        ({"type": "participant", "action": "enrolled", "enrolled_as": "anna"}, "enrolled as anna"),
        ({"type": "participant", "action": "enrolment_failed", "why": "too short"}, "enrolment failed: too short"),
        ({**score(), "llr": None, "similarity": None, "state": "abstain", "latency": None}, "llr    none"),
        (source(), "whep://h/room waiting: the server is gone; again at "),
        (engine(), "goes on with onnx on cpu: no GPU"),
        ({**alert("[red]not markup[/red]"), "severity": "warning"}, "warning: [red]not markup[/red]"),
    ],
)
def test_event_lines(fields: dict[str, object], says: str) -> None:
    assert says in event_line(EventHub(1, 8).publish("main", "alice", fields)).plain


def test_an_empty_call_says_nobody() -> None:
    hello = HelloEvent(
        seq=0,
        time=datetime.now(UTC),
        call="main",
        participant=None,
        server_version="1",
        engine=ENGINE,
        resumed_from=None,
        participants=[],
        sources=[],
    )
    assert event_line(hello).plain.endswith(": nobody")
