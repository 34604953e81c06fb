"""HTTP and WebSocket abuse: slow clients, large bodies and headers, wrong types, viewers that do not behave."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.hostile.campaign import Target

_SLOW_SECONDS = 25.0
_ANSWER_SECONDS = 20.0


async def slow_clients(target: Target, count: int, rng: random.Random) -> Counter[str]:
    """Connections that send a byte of a request now and then: each must be cut in bounded time."""
    return Counter(await asyncio.gather(*(_dribble(target, rng.randrange(3)) for _ in range(count))))


async def _dribble(target: Target, kind: int) -> str:
    parts = urlsplit(target.guard.url)
    try:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    except OSError:
        return "refused at the door"
    length = 100_000
    head = f"POST /whip/hostile/slow HTTP/1.1\r\nHost: {parts.netloc}\r\n"
    full = f"{head}Authorization: Bearer {target.guard.join_token}\r\nContent-Type: application/sdp\r\n"
    started = (b"", head.encode(), f"{full}Content-Length: {length}\r\n\r\n".encode())[kind]
    what = ("nothing", "half of a head", "half of a body")[kind]
    try:
        writer.write(started)
        for _ in range(int(_SLOW_SECONDS)):
            if kind:
                writer.write(b"x")
            try:
                async with asyncio.timeout(1.0):
                    line = await reader.readline()
            except TimeoutError:
                continue
            return f"{what}: " + (f"answered {line.split()[1].decode()}" if line else "cut")
        return f"{what}: open after {_SLOW_SECONDS:.0f} s"
    except OSError:
        return f"{what}: cut"
    finally:
        writer.transport.abort()


async def bad_requests(target: Target, count: int, rng: random.Random) -> Counter[str]:
    """Bodies and headers that are too large, wrong types, methods, lengths and junk instead of HTTP."""
    outcomes: Counter[str] = Counter()
    for number in range(count):
        kind, sent = _bad_request(target, number % 10, rng)
        outcomes[f"{kind}: {await _exchange(target, sent)}"] += 1
    return outcomes


def _bad_request(target: Target, kind: int, rng: random.Random) -> tuple[str, bytes]:
    host = urlsplit(target.guard.url).netloc
    head = f"POST /whip/hostile/bad HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {target.guard.join_token}\r\n"
    api = f"POST /api/tickets HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {target.guard.token}\r\n"
    sdp = f"{head}Content-Type: application/sdp\r\n"
    large = b"v=0\r\n" + b"a" * 200_000
    chunked = f"{sdp}Transfer-Encoding: chunked\r\n\r\n".encode() + b"20000\r\n" + b"a" * 0x20000 + b"\r\n0\r\n\r\n"
    return (
        ("offer too large", f"{sdp}Content-Length: {len(large)}\r\n\r\n".encode() + large),
        ("offer too large, chunked", chunked),
        ("header too large", f"{head}X-Junk: {'j' * 300_000}\r\n\r\n".encode()),
        ("too many headers", (head + "X: y\r\n" * 40_000 + "\r\n").encode()),
        ("wrong type", f"{head}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}".encode()),
        ("two lengths", f"{sdp}Content-Length: 3\r\nContent-Length: 4\r\n\r\nv=0".encode()),
        ("endless length", f"{sdp}Content-Length: {'9' * 200}\r\n\r\nv=0".encode()),
        ("no HTTP", rng.randbytes(rng.randrange(1, 5000)) + b"\r\n\r\n"),
        ("API body too large", f"{api}Content-Length: 20000\r\n\r\n".encode() + b" " * 20_000),
        ("API body without a length", f"{api}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n".encode()),
    )[kind]


async def _exchange(target: Target, sent: bytes) -> str:
    parts = urlsplit(target.guard.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(sent)
        async with asyncio.timeout(_ANSWER_SECONDS):
            line = await reader.readline()
        return line.split()[1].decode() if line else "cut"
    except TimeoutError:
        return f"no answer within {_ANSWER_SECONDS:.0f} s"
    except OSError:
        return "cut"
    finally:
        writer.transport.abort()


async def bad_viewers(target: Target, count: int, rng: random.Random) -> Counter[str]:
    """WebSockets without a token, with large, binary or too many messages, that never read, and too many of them."""
    url = target.guard.url.replace("http", "ws", 1) + "/ws/honest"
    outcomes: Counter[str] = Counter()
    crowd: list[ClientConnection] = []
    try:
        for number in range(count):
            kind = ("no token", "large message", "binary message", "flood", "never reads")[number % 5]
            outcomes[f"{kind}: {await _misbehave(url, target.guard.token, kind, crowd, rng)}"] += 1
    finally:
        for connection in crowd:
            connection.transport.abort()
    return outcomes


async def _misbehave(url: str, token: str, kind: str, crowd: list[ClientConnection], rng: random.Random) -> str:
    headers = {} if kind == "no token" else {"Authorization": f"Bearer {token}"}
    try:
        connection = await connect(url, additional_headers=headers, proxy=None, open_timeout=_ANSWER_SECONDS)
    except InvalidStatus as error:
        return f"refused with {error.response.status_code}"
    except (OSError, TimeoutError) as error:
        return f"refused ({type(error).__name__})"
    if kind == "never reads":
        connection.transport.pause_reading()
        crowd.append(connection)
        return "let in"
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            if kind == "large message":
                await connection.send("x" * rng.randrange(2000, 200_000))
            elif kind == "binary message":
                await connection.send(rng.randbytes(20))
            for _ in range(200 if kind == "flood" else 0):
                await connection.send('{"type":"ping"}')
            async for _ in connection:
                pass
        return f"closed with {connection.close_code}"
    except ConnectionClosed:
        return f"closed with {connection.close_code}"
    except TimeoutError:
        return "still open"
    finally:
        connection.transport.abort()
