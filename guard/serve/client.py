"""Following the events of a running guard from a program, also over breaks of the connection."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Callable
from typing import Any
from urllib.parse import quote, urlsplit

from pydantic import ValidationError
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from guard.errors import ServerError
from guard.serve.events import EVENT_ADAPTER, Event, HelloEvent

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 10.0
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_TRY_LATER = frozenset({502, 503, 504})


async def follow(
    url: str,
    *,
    token: str | None,
    call: str,
    since: int | None = None,
    on_lost: Callable[[str], None] = lambda _: None,
    first_pause_seconds: float = _FIRST_PAUSE_SECONDS,
) -> AsyncGenerator[tuple[str, Event], None]:
    """Every event of a call, as text and as value; a lost connection is resumed where it broke off.

    url: address of the guard, as `guard serve` prints it. since: resume after this seq.
    on_lost: told why the connection was lost, before it is tried again.
    Raises ServerError where the first attempt fails, and whenever the guard refuses.
    """
    address = _socket_address(url, call)
    reached, last, pause = False, since, first_pause_seconds
    while True:
        try:
            async with connect(
                address if last is None else f"{address}?since={last}",
                additional_headers={} if token is None else {"Authorization": f"Bearer {token}"},
                proxy=None if urlsplit(address).hostname in _LOOPBACK else True,
            ) as connection:
                reached, pause = True, first_pause_seconds
                async for message in connection:
                    event = _parsed(message)
                    if event is not None:
                        last = _position(event, last)
                        yield str(message), event
            lost = "the guard closed the connection"
        except ConnectionClosed as error:
            lost = (error.rcvd and error.rcvd.reason) or "the connection was lost"
        except InvalidStatus as error:
            lost = _refused(error)
        except (OSError, InvalidHandshake, InvalidURI) as error:
            lost = f"cannot reach a guard at {url}: {_cause(error)}"
            if not reached:
                raise ServerError(f"{lost}; is 'guard serve' running there?") from error
        on_lost(lost)
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def _socket_address(url: str, call: str) -> str:
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise ServerError(f"{url!r} is no address of a guard; give one like http://127.0.0.1:8734")
    return f"{_SCHEMES[parts.scheme]}://{parts.netloc}{parts.path.rstrip('/')}/ws/{quote(call, safe='')}"


def _parsed(message: str | bytes) -> Event | None:
    """The event, or None for what belongs to the connection only (`pong`)."""
    try:
        return EVENT_ADAPTER.validate_json(message)
    except ValidationError as error:
        if _object(message).get("type") == "pong":
            return None
        raise ServerError("the guard speaks another event version; install the same version here") from error


def _position(event: Event, last: int | None) -> int | None:
    """Where to resume. A hello that resumes comes before what was missed, so its number is ahead of what we have."""
    if isinstance(event, HelloEvent):
        return last if event.resumed_from is not None else event.seq
    return event.seq


def _refused(error: InvalidStatus) -> str:
    """Why the guard did not let us in, where trying again helps; else raises ServerError."""
    status, body = error.response.status_code, error.response.body or b""
    detail = str(_object(bytes(body)).get("detail", f"HTTP status {status}"))
    if status in _TRY_LATER:
        return f"the guard cannot take us now: {detail}"
    if status == 401:
        raise ServerError(
            f"the guard refused the token ({detail}); give the one that 'guard serve' printed: --token or "
            "GUARD_SERVER__TOKEN"
        ) from error
    raise ServerError(f"the guard refused the connection ({detail}); check address and name of the call") from error


def _object(text: str | bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _cause(error: Exception) -> str:
    """A short text; asyncio's own names every address that it tried."""
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno) if error.errno > 0 else str(error.strerror)
    if isinstance(error, InvalidHandshake):
        return "what answers there is no guard"
    return str(error) or type(error).__name__
