"""The choice of a layer against a WHEP server: what is asked for, and what a hostile server can make of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from guard.calls.signalling_http import opened
from guard.calls.whep import layer_choice
from guard.calls.whep.client import EVENTS_RELATION, LAYER_RELATION, WhepSession, whep_endpoint
from guard.calls.whep.layer_choice import LayerChoice
from guard.errors import JoinError
from tests.guard.calls.whep.test_source import make_visit
from tests.whep_server import TOKEN, AiortcSender, LayerDesk, NumberedTrack, WhepServer, raw_server, whep_server
from tests.whip_endpoint import Recorder, until

HEIGHTS = {"q": 180, "h": 360, "f": 720}
ALL = {"0": [{"rid": rid, "width": height * 16 // 9, "height": height} for rid, height in HEIGHTS.items()]}
LARGE = {"0": [ALL["0"][0], ALL["0"][2]]}
LAYER_ONLY = (f'</layer/1>; rel="{LAYER_RELATION}"',)


@pytest.fixture(autouse=True)
def no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer_choice, "REST_SECONDS", 0.0)
    monkeypatch.setattr(layer_choice, "REOPEN_SECONDS", 0.0)


@asynccontextmanager
async def offered(desk: LayerDesk) -> AsyncIterator[WhepServer]:
    """A session with a server that offers `desk`, and the choice under way."""

    async def answer(_offer: str) -> str:
        return "v=0\r\n"

    async with whep_server(answer, layers=desk) as server:
        endpoint = whep_endpoint(server.url, TOKEN)
        async with LayerChoice(endpoint, await endpoint.post_offer("v=0\r\n", 4096)):
            yield server
        desk.say(None)


def asked(rid: str) -> dict[str, str]:
    return {"mediaId": "0", "rid": rid}


async def test_a_sender_of_three_layers_sends_360_lines_as_soon_as_it_is_asked() -> None:
    sender, listener, desk = AiortcSender(), Recorder(), LayerDesk()
    desk.tell(ALL)
    async with whep_server(sender.answer, layers=desk) as server:
        visit = asyncio.create_task(make_visit(server.url, listener).run(lambda: None))
        await until(lambda: desk.selections == [asked("h")])
        track = sender.connections[0].getSenders()[0].track
        assert isinstance(track, NumberedTrack)
        track.resize(640, HEIGHTS[desk.selections[0]["rid"]])
        await until(lambda: any(frame.image.height == 360 for frame in take(listener)))
        visit.cancel()
        await asyncio.wait({visit})
        desk.say(None)
    await sender.vanish()


def take(listener: Recorder) -> list[Any]:
    return listener.take("ann") if listener.received("ann") else []


@pytest.mark.parametrize("stream_is_posted", [True, False], ids=["as-drafted", "at-once"])
async def test_the_choice_follows_the_layers(stream_is_posted: bool) -> None:
    desk = LayerDesk(stream_is_posted=stream_is_posted)
    async with offered(desk):
        for layers in (ALL, ALL, LARGE, ALL):
            desk.tell(layers)
        await until(lambda: len(desk.selections) == 3)
    assert desk.selections == [asked("h"), asked("f"), asked("h")]


async def test_one_layer_alone_is_no_choice_until_one_was_made() -> None:
    desk = LayerDesk()
    async with offered(desk):
        for layers in ({"0": ALL["0"][:1]}, ALL, {"0": ALL["0"][:1]}):
            desk.tell(layers)
        await until(lambda: len(desk.selections) == 2)
    assert desk.selections == [asked("h"), asked("q")]


async def test_a_stream_that_ends_is_opened_anew() -> None:
    desk = LayerDesk()
    async with offered(desk):
        desk.say(None)
        await until(lambda: desk.streams == 2)
        desk.tell(ALL)
        await until(lambda: len(desk.selections) > 0)
    assert (desk.selections, desk.streams) == ([asked("h")], 2)


async def test_a_server_without_events_is_told_what_would_do() -> None:
    desk = LayerDesk(links=LAYER_ONLY)
    async with offered(desk):
        await until(lambda: desk.selections == [{"maxHeight": 360}])
    assert desk.streams == 0


async def test_a_refusal_is_told_once_and_the_choice_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    desk = LayerDesk(select_status=409)
    async with offered(desk):
        desk.tell(ALL)
        desk.tell(LARGE)
        await until(lambda: len(desk.selections) == 2)
        await until(lambda: len(caplog.records) > 0)
    assert [record.message for record in caplog.records] == [
        "the WHEP server chooses the layer: the server refuses the layer (409)"
    ]


@pytest.mark.parametrize(
    "links",
    [
        (),
        (f'<http://198.51.100.7/layer>; rel="{LAYER_RELATION}"',),
        (f'<//198.51.100.7/layer>; rel="{LAYER_RELATION}"',),
        (f'<file:///layer>; rel="{LAYER_RELATION}"',),
        (f'<http://[::1/layer>; rel="{LAYER_RELATION}"',),
        (f'</sse/1>; rel="{EVENTS_RELATION}"',),
        ("<" * 9000,),
    ],
    ids=["none", "elsewhere", "elsewhere-too", "file", "malformed", "events-alone", "garbage"],
)
async def test_without_a_usable_address_nothing_is_asked(links: tuple[str, ...]) -> None:
    desk = LayerDesk(links=links)
    async with offered(desk):
        assert [task for task in asyncio.all_tasks() if task.get_name() == "choice of a WHEP layer"] == []
    assert (desk.selections, desk.streams) == ([], 0)


async def test_events_elsewhere_or_without_layers_count_as_none() -> None:
    for events in (
        f'<http://198.51.100.7/sse>; rel="{EVENTS_RELATION}"',
        f'</sse/1>; rel="{EVENTS_RELATION}"; events="active"',
    ):
        desk = LayerDesk(links=(*LAYER_ONLY, events))
        async with offered(desk):
            await until(lambda desk=desk: desk.selections == [{"maxHeight": 360}])  # type: ignore[misc]
        assert desk.streams == 0


@pytest.mark.parametrize(
    "text",
    [
        b"x" * 200_000,
        b"data: x\n\n" * 50_000,
        b"event: layers\ndata: {\n\n",
        b"event: layers\ndata: " + b"[" * 9000 + b"\n\n",
    ],
    ids=["endless-line", "flood", "no-json", "deep"],
)
async def test_a_stream_that_is_none_is_listened_to_no_longer(text: bytes, caplog: pytest.LogCaptureFixture) -> None:
    desk = LayerDesk()
    async with offered(desk):
        desk.say(text)
        await until(lambda: len(caplog.records) > 0)
        desk.tell(ALL)
    assert "layers are not followed" in caplog.text
    assert (desk.selections, desk.streams) == ([], 1)


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 201 Created\r\nLocation: http://198.51.100.7/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"X" * 200_000,
    ],
    ids=["nothing", "not-found", "a-page", "elsewhere", "bad-chunk", "endless-line"],
)
async def test_a_server_that_has_no_stream_is_asked_again_and_hurts_nobody(reply: bytes) -> None:
    requests = 0

    async def answer(writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        requests += 1
        writer.write(reply)
        await writer.drain()

    async with raw_server(answer) as url:
        endpoint = whep_endpoint(url, TOKEN)
        session = WhepSession(endpoint.url, "", endpoint.url, endpoint.url)
        async with LayerChoice(endpoint, session):
            await until(lambda: requests >= 4)
    assert requests >= 4


async def test_single_bytes_count_as_what_they_cost(caplog: pytest.LogCaptureFixture) -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        writer.write(b"1\r\nx\r\n" * 1000 + b"0\r\n\r\n")
        await writer.drain()

    async with raw_server(answer) as url:
        endpoint = whep_endpoint(url, TOKEN)
        async with LayerChoice(endpoint, WhepSession(endpoint.url, "", endpoint.url, endpoint.url)):
            await until(lambda: "layers are not followed" in caplog.text)
    assert "layers are not followed" in caplog.text


async def test_what_a_stream_comes_in_is_bounded_too() -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        writer.write((b"1;" + b"x" * 15_000 + b"\r\nx\r\n") * 30)
        await writer.drain()

    async with raw_server(answer) as url:
        with pytest.raises(JoinError, match="more than 262144 bytes in a second"):
            async with opened(url, {}) as (_, next_piece):
                while await next_piece() is not None:
                    pass
