"""One HTTP request to a signalling server that may be hostile: bounded in time and bytes, redirects not followed."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

import h11

from guard.errors import JoinError

REQUEST_SECONDS = 15.0
_CHUNK_BYTES = 16_384
_MAX_HEAD_BYTES = 32_768
"""Status lines and headers, those of informational answers included."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server said; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


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
    parts = urlsplit(url)
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD_BYTES)
    host = parts.hostname or ""
    seconds = REQUEST_SECONDS if seconds is None else seconds
    try:
        sent = _serialise(connection, method, parts, headers, body)
        async with asyncio.timeout(seconds):
            context = ssl.create_default_context() if parts.scheme == "https" else None
            reader, writer = await asyncio.open_connection(host, _port(parts), ssl=context)
            try:
                writer.write(sent)
                return await _read_reply(connection, reader, max_bytes)
            finally:
                # A polite end waits for the peer's.
                writer.transport.abort()
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
    received = 0
    response: h11.Response | None = None
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            chunk = await reader.read(_CHUNK_BYTES)
            received += len(chunk)
            if received > max_bytes + _MAX_HEAD_BYTES:
                raise JoinError(f"the server's answer is larger than {max_bytes} bytes")
            connection.receive_data(chunk)
        elif isinstance(event, h11.Response):
            response = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > max_bytes:
                raise JoinError(f"the server's answer is larger than {max_bytes} bytes")
        elif isinstance(event, h11.EndOfMessage) and response is not None:
            names = {name.decode("latin-1"): value.decode("latin-1") for name, value in response.headers}
            return Reply(response.status_code, names, bytes(body))
        elif not isinstance(event, h11.InformationalResponse):
            raise JoinError("the server closed the connection without an answer")
