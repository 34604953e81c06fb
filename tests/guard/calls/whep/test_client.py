"""The requests of a WHEP client against servers that misbehave."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable

import pytest

from guard.calls import signalling_http
from guard.calls.whep.client import WhepEndpoint, WhepSession, whep_endpoint
from guard.errors import ConfigError, JoinError
from tests.whep_server import TOKEN, raw_server, whep_server

MAX_ANSWER_BYTES = 4096
CREATED = b"HTTP/1.1 201 Created\r\nContent-Type: application/sdp\r\n"

Reply = Callable[[asyncio.StreamWriter], Awaitable[None]]


def says(text: bytes) -> Reply:
    async def reply(writer: asyncio.StreamWriter) -> None:
        writer.write(text)
        await writer.drain()

    return reply


async def ask(reply: Reply) -> WhepSession:
    async with raw_server(reply) as url:
        return await whep_endpoint(url, TOKEN).post_offer("v=0\r\n", MAX_ANSWER_BYTES)


async def refusal(reply: Reply) -> JoinError:
    with pytest.raises(JoinError) as failure:
        await ask(reply)
    assert TOKEN not in "".join(traceback.format_exception(failure.value))
    return failure.value


async def test_an_answer_comes_with_its_session() -> None:
    session = await ask(says(CREATED + b"Location: /s/1?x=2\r\nContent-Length: 5\r\n\r\nv=0\r\n"))
    assert session.url.endswith("/s/1?x=2")
    assert session.answer_sdp == "v=0\r\n"
    assert (session.layer_url, session.events_url) == (None, None)


async def test_a_chunked_answer_without_length_is_read() -> None:
    chunked = CREATED + b"Location: s\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nv=0\r\n2\r\n\r\n\r\n0\r\n\r\n"
    session = await ask(says(chunked))
    assert session.url.endswith("/whep/s")
    assert session.answer_sdp == "v=0\r\n"


@pytest.mark.parametrize(
    ("status", "retryable"),
    [
        (200, False),
        (204, False),
        (301, False),
        (307, False),
        (400, False),
        (401, False),
        (403, False),
        (404, True),
        (406, False),
        (409, True),
        (415, False),
        (429, True),
        (500, True),
        (503, True),
    ],
)
async def test_which_refusals_are_final(status: int, retryable: bool) -> None:
    head = f"HTTP/1.1 {status} No\r\nLocation: http://127.0.0.1:9/elsewhere\r\n"
    error = await refusal(says(head.encode() + b"Content-Length: 0\r\n\r\n"))
    assert error.retryable is retryable
    assert str(status) in str(error)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("999999999", 300.0), ("-5", 0.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0.0), ("\xb2", 0.0)],
)
async def test_retry_after_is_bounded(header: str, seconds: float) -> None:
    head = f"HTTP/1.1 503 No\r\nRetry-After: {header}\r\nContent-Length: 0\r\n\r\n"
    assert (await refusal(says(head.encode("latin-1")))).retry_after_seconds == seconds


@pytest.mark.parametrize(
    "location",
    [
        b"",
        b"Location: https://127.0.0.1/s/1\r\n",
        b"Location: http://127.0.0.1:9/s/1\r\n",
        b"Location: //198.51.100.7/s/1\r\n",
        b"Location: file:///etc/passwd\r\n",
        b"Location: http://[::1/s\r\n",
        b"Location: /" + b"s" * 5000 + b"\r\n",
    ],
)
async def test_a_session_elsewhere_is_refused(location: bytes) -> None:
    error = await refusal(says(CREATED + location + b"Content-Length: 0\r\n\r\n"))
    assert "session" in str(error)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 201 Created\r\nContent-Length: 10\r\n\r\nv=0",
        b"HTTP/1.1 201 Created\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 201 Created\r\n" + b"X: y\r\n" * 20_000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 5000,
        b"X" * 200_000,
    ],
    ids=[
        "nothing",
        "another-protocol",
        "cut-short",
        "negative-length",
        "bad-chunk",
        "upgrade",
        "endless-headers",
        "endless-continues",
        "endless-line",
    ],
)
async def test_what_is_no_answer_is_refused(text: bytes) -> None:
    assert (await refusal(says(text))).retryable


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 1000000000", b"Transfer-Encoding: chunked"], ids=["length", "chunked"]
)
async def test_an_oversize_answer_is_read_no_further_than_the_cap(framing: bytes) -> None:
    written = 0

    async def reply(writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(CREATED + b"Location: s\r\n" + framing + b"\r\n\r\n")
        piece = b"x" * 65_536 if b"Length" in framing else b"10000\r\n" + b"x" * 65_536 + b"\r\n"
        while True:
            writer.write(piece)
            await writer.drain()
            written += len(piece)

    assert "larger than 4096 bytes" in str(await refusal(reply))
    # What the sockets between hold, and no more.
    assert written < 32 << 20


@pytest.mark.parametrize("silent", [True, False], ids=["silent", "dripping"])
async def test_a_server_that_hangs_costs_a_bounded_time(silent: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signalling_http, "REQUEST_SECONDS", 0.3)

    async def reply(writer: asyncio.StreamWriter) -> None:
        if silent:
            await asyncio.sleep(30)
        writer.write(b"HTTP/1.1 201 Created\r\nX: ")
        while True:
            writer.write(b"y")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with asyncio.timeout(20):
        assert "did not answer" in str(await refusal(reply))


async def test_a_server_that_is_not_there() -> None:
    async with raw_server(says(b"")) as url:
        pass
    with pytest.raises(JoinError, match=r"cannot reach 127\.0\.0\.1") as failure:
        await whep_endpoint(url, TOKEN).post_offer("v=0\r\n", MAX_ANSWER_BYTES)
    assert failure.value.retryable


async def test_an_answer_of_another_type_ends_its_session() -> None:
    requests: list[None] = []

    async def reply(writer: asyncio.StreamWriter) -> None:
        requests.append(None)
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Type: text/html\r\nLocation: s\r\nContent-Length: 0\r\n\r\n")

    assert "application/sdp" in str(await refusal(reply))
    assert len(requests) == 2


async def test_ending_a_session_that_has_gone_is_no_error() -> None:
    asked: list[str] = []

    async def gone(writer: asyncio.StreamWriter) -> None:
        asked.append("once")
        await says(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")(writer)

    async with raw_server(gone) as url:
        endpoint = whep_endpoint(url, TOKEN)
        await endpoint.end_session(endpoint.url)
        assert asked == ["once"]
    await endpoint.end_session(endpoint.url)
    assert asked == ["once"], "the server itself has gone"


@pytest.mark.parametrize("token", ["a\r\nHost: evil", "a\x00b", "\N{SNOWMAN}"])
async def test_a_token_that_would_write_headers_is_refused_and_kept_secret(token: str) -> None:
    with pytest.raises(JoinError) as failure:
        await WhepEndpoint("http://127.0.0.1:1/", token).post_offer("v=0\r\n", MAX_ANSWER_BYTES)
    assert not failure.value.retryable
    assert "evil" not in "".join(traceback.format_exception(failure.value))


def test_a_token_is_in_no_text() -> None:
    assert TOKEN not in repr(whep_endpoint("whep://calls.example.org/x", TOKEN))


def test_the_scheme_says_whether_there_is_tls() -> None:
    assert whep_endpoint("whep://calls.example.org/a?b=c", None).url == "https://calls.example.org/a?b=c"
    assert whep_endpoint("whep+http://127.0.0.1:8000/a", None).url == "http://127.0.0.1:8000/a"


@pytest.mark.parametrize(
    "url", ["whep://", "whep:///x", "whep:x", "whep://h:99999/x", "whep://h:0/x", "whep://me:pass@h/x", "whep://[::1/"]
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(ConfigError, match="WHEP address") as failure:
        whep_endpoint(url, None)
    assert "pass@" not in str(failure.value)


async def test_without_a_token_none_is_sent() -> None:
    async def answer(_offer: str) -> str:
        return "v=0\r\n"

    async with whep_server(answer) as server:
        with pytest.raises(JoinError, match="401"):
            await whep_endpoint(server.url, None).post_offer("v=0\r\n", MAX_ANSWER_BYTES)
        assert server.posts == [None]
