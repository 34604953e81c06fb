"""HTTP requests to a signalling server that may be hostile: bounded in time and bytes, redirects not followed."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import SplitResult, urlsplit

import h11

from guard.calls.rate_limit import TokenBucket
from guard.errors import JoinError

REQUEST_SECONDS = 15.0
_CHUNK_BYTES = 16_384
_ENDLESS_BYTES_PER_SECOND = 262_144
"""Of a body that is read as it comes, headings of its chunks included."""
_MAX_HEAD_BYTES = 32_768
"""Status lines and headers, those of informational answers included."""

ReadPiece: TypeAlias = Callable[[], Awaitable[bytes | None]]
"""The next piece of a body; None after the last one."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server said."""

    status: int
    fields: tuple[tuple[str, str], ...]
    """Names in lower case, and values, in order."""
    body: bytes = b""
    """Empty where it is read as it comes."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The last value of each header."""
        return dict(self.fields)

    def every(self, name: str) -> tuple[str, ...]:
        """All values of a header that may come more than once."""
        return tuple(value for other, value in self.fields if other == name)


async def request(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes = b"",
    *,
    max_bytes: int,
    seconds: float | None = None,
) -> Reply:
    """Send one request to an http or https address and read the answer, at most `max_bytes` of body.

    All of it takes at most `seconds`, by default REQUEST_SECONDS.

    Raises JoinError, whose text repeats nothing that the server said.
    """
    seconds = REQUEST_SECONDS if seconds is None else seconds
    connection = _new_connection()
    with _explained(url, seconds):
        async with asyncio.timeout(seconds), _sent(connection, method, url, headers, body) as reader:
            return await _read_reply(connection, reader, max_bytes)


@asynccontextmanager
async def opened(url: str, headers: Mapping[str, str]) -> AsyncGenerator[tuple[Reply, ReadPiece]]:
    """GET what is read as it comes: the answer's head, within REQUEST_SECONDS, and what gives its body piece by piece.

    The body may take for ever and be of any size: who reads it sets the limits. Raises JoinError as `request` does,
    while the body is read, too.
    """
    connection = _new_connection()
    with _explained(url, REQUEST_SECONDS):
        async with asyncio.timeout(REQUEST_SECONDS) as until_head, _sent(connection, "GET", url, headers) as reader:
            incoming = _Incoming(connection, reader, None)
            head = await incoming.head()
            until_head.reschedule(None)
            yield _reply(head), incoming.piece


def _new_connection() -> h11.Connection:
    return h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD_BYTES)


@contextmanager
def _explained(url: str, seconds: float) -> Iterator[None]:
    """Whatever a server leads to, as a JoinError."""
    host = urlsplit(url).hostname or ""
    try:
        yield
    except TimeoutError as error:
        raise JoinError(f"{host} did not answer within {seconds:.0f} s") from error
    except OSError as error:
        raise JoinError(f"cannot reach {host} ({error.strerror or type(error).__name__})") from error
    except h11.RemoteProtocolError as error:
        raise JoinError(f"{host} does not speak HTTP") from error
    except (h11.LocalProtocolError, UnicodeError):
        # Without the cause: its text repeats the token.
        raise JoinError(
            "the address or the token holds characters that HTTP cannot carry; check both", retryable=False
        ) from None


@asynccontextmanager
async def _sent(
    connection: h11.Connection, method: str, url: str, headers: Mapping[str, str], body: bytes = b""
) -> AsyncGenerator[asyncio.StreamReader]:
    """Send a request; what is given is where the answer comes from."""
    parts = urlsplit(url)
    sent = _serialise(connection, method, parts, headers, body)
    context = ssl.create_default_context() if parts.scheme == "https" else None
    reader, writer = await asyncio.open_connection(parts.hostname or "", _port(parts), ssl=context)
    try:
        writer.write(sent)
        yield reader
    finally:
        # A polite end waits for the peer's.
        writer.transport.abort()


def _serialise(
    connection: h11.Connection, method: str, parts: SplitResult, headers: Mapping[str, str], body: bytes
) -> bytes:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    fields = {
        "Host": parts.netloc.rpartition("@")[2],
        "Connection": "close",
        "Content-Length": str(len(body)),
        **headers,
    }
    sent = b""
    for event in (
        h11.Request(method=method, target=target, headers=list(fields.items())),
        h11.Data(data=body),
        h11.EndOfMessage(),
    ):
        sent += connection.send(event) or b""
    return sent


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


async def _read_reply(connection: h11.Connection, reader: asyncio.StreamReader, max_bytes: int) -> Reply:
    incoming = _Incoming(connection, reader, max_bytes)
    head = await incoming.head()
    body = bytearray()
    while (piece := await incoming.piece()) is not None:
        body += piece
        if len(body) > max_bytes:
            raise JoinError(f"the server's answer is larger than {max_bytes} bytes")
    return _reply(head, bytes(body))


class _Incoming:
    """An answer on its way: `head` once, then `piece` after `piece` of its body."""

    def __init__(self, connection: h11.Connection, reader: asyncio.StreamReader, max_bytes: int | None) -> None:
        """`max_bytes` bounds what the body comes in, which can be much more than the body; None bounds its rate."""
        self._connection = connection
        self._reader = reader
        self._max_bytes = max_bytes
        self._received = 0
        self._allowance = TokenBucket(_ENDLESS_BYTES_PER_SECOND)

    async def head(self) -> h11.Response:
        while True:
            event = await self._next_event(self._max_bytes or 0)
            if isinstance(event, h11.Response):
                return event
            if not isinstance(event, h11.InformationalResponse):
                raise JoinError("the server closed the connection without an answer")

    async def piece(self) -> bytes | None:
        """None after the last one."""
        event = await self._next_event(self._max_bytes)
        return bytes(event.data) if isinstance(event, h11.Data) else None

    async def _next_event(self, max_bytes: int | None) -> type[h11.NEED_DATA | h11.PAUSED] | h11.Event:
        while (event := self._connection.next_event()) is h11.NEED_DATA:
            chunk = await self._reader.read(_CHUNK_BYTES)
            self._received += len(chunk)
            if max_bytes is None and not self._allowance.take(len(chunk), time.monotonic()):
                raise JoinError(f"the server sends more than {_ENDLESS_BYTES_PER_SECOND} bytes in a second")
            if max_bytes is not None and self._received > max_bytes + _MAX_HEAD_BYTES:
                raise JoinError(f"the server's answer is larger than {max_bytes or _MAX_HEAD_BYTES} bytes")
            self._connection.receive_data(chunk)
        return event


def _reply(head: h11.Response, body: bytes = b"") -> Reply:
    fields = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers)
    return Reply(head.status_code, fields, body)
