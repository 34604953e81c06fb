"""The WebSocket: `/ws/{call}` sends `hello` and then every event of a call, until either side ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, WebSocket, WebSocketDisconnect
from pydantic import ValidationError
from starlette.status import WS_1008_POLICY_VIOLATION, WS_1013_TRY_AGAIN_LATER

from guard.config import ServerConfig
from guard.serve.access import BearerToken, Tickets, origin_allowed
from guard.serve.events import ClientPing, HelloEvent, Pong
from guard.serve.feed import Feed
from guard.serve.hub import EventHub
from guard.serve.problems import problem_response
from guard.serve.service import GuardService, Name

MAX_VIEWERS = 64
"""WebSockets that are open at the same time."""

_MAX_MESSAGE_CHARACTERS = 64
_MAX_MESSAGES_PER_SECOND = 5.0
_CLOSE_SECONDS = 1.0
_PONG = Pong().model_dump_json()


class Viewers:
    """Admits WebSocket clients and serves each of them."""

    def __init__(
        self, service: GuardService, hub: EventHub, config: ServerConfig, token: BearerToken, tickets: Tickets
    ) -> None:
        self._service = service
        self._hub = hub
        self._config = config
        self._token = token
        self._tickets = tickets
        self._connected = 0

    async def serve(self, websocket: WebSocket, call: str, ticket: str | None, since: int | None) -> None:
        """Run one connection from handshake to end."""
        refusal = self._refusal(websocket, ticket)
        if refusal is not None:
            await websocket.send_denial_response(problem_response(*refusal))
            return
        self._connected += 1
        try:
            await websocket.accept()
            with Feed(self._hub, call, since) as feed:
                await self._attend(websocket, feed, self._hello(call, feed))
        except WebSocketDisconnect:
            pass  # left during the handshake or while something was being sent
        finally:
            self._connected -= 1

    def _refusal(self, websocket: WebSocket, ticket: str | None) -> tuple[int, str] | None:
        """Status and reason where this handshake is refused. The origin comes first: a refused page burns no ticket."""
        origin = websocket.headers.get("origin")
        by_header = self._token.in_header(websocket.headers.get("authorization"))
        if origin is None and not by_header:
            return 401, "missing or wrong bearer token"
        if origin is not None and not origin_allowed(origin, websocket.headers.get("host"), self._config.origins):
            return 403, "this origin may not connect; name it in server.origins"
        if not by_header and (ticket is None or not self._tickets.redeem(ticket)):
            return 401, "the ticket is missing, used or expired; get one from POST /api/tickets"
        if self._connected >= MAX_VIEWERS:
            return 503, f"{MAX_VIEWERS} viewers are connected already"
        return None

    def _hello(self, call: str, feed: Feed) -> str:
        """Made right after the subscription, without waiting in between: no change can fall between the two."""
        status = self._service.status()
        return HelloEvent(
            seq=feed.subscription.position,
            time=datetime.now(UTC),
            call=call,
            participant=None,
            server_version=status.version,
            engine=status.engine,
            resumed_from=feed.subscription.resumed_from,
            participants=self._service.participants(call),
            sources=[source for source in self._service.sources() if source.call == call],
        ).model_dump_json()

    async def _attend(self, websocket: WebSocket, feed: Feed, hello: str) -> None:
        """Send and listen until the viewer leaves, misbehaves or falls too far behind."""
        evicted = asyncio.create_task(feed.evicted())
        listening = asyncio.create_task(_listen(websocket))
        sending = asyncio.create_task(_send(websocket, feed, hello))
        tasks: tuple[asyncio.Task[Any], ...] = (evicted, listening, sending)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        if evicted.done() and not evicted.cancelled():
            await _bounded(websocket.close(WS_1013_TRY_AGAIN_LATER, "too slow: reconnect with your last seq"))
        elif isinstance(outcomes[1], str):
            await _bounded(websocket.close(WS_1008_POLICY_VIOLATION, outcomes[1]))
        else:
            _raise_unexpected(outcomes)


async def _send(websocket: WebSocket, feed: Feed, hello: str) -> None:
    await websocket.send_text(hello)
    while True:
        published = await feed.next()
        await websocket.send_text(published.text)


async def _listen(websocket: WebSocket) -> str | None:
    """Answer pings. Returns why the client must go, or None where it has left."""
    clock = asyncio.get_running_loop().time
    allowance, last = _MAX_MESSAGES_PER_SECOND, clock()
    while True:
        try:
            text = await websocket.receive_text()
        except WebSocketDisconnect:
            return None
        except KeyError:  # the message was binary
            return "only text messages are understood"
        allowance = min(_MAX_MESSAGES_PER_SECOND, allowance + (clock() - last) * _MAX_MESSAGES_PER_SECOND) - 1
        last = clock()
        if allowance < 0:
            return "too many messages"
        if len(text) > _MAX_MESSAGE_CHARACTERS:
            return "the message is too long"
        try:
            ClientPing.model_validate_json(text)
        except ValidationError:
            return 'only {"type":"ping"} is understood'
        await websocket.send_text(_PONG)


async def _bounded(closing: Coroutine[Any, Any, None]) -> None:
    """A close frame cannot be sent to someone who does not read: the connection is then cut without it."""
    try:
        async with asyncio.timeout(_CLOSE_SECONDS):
            await closing
    except (TimeoutError, WebSocketDisconnect):
        pass


def _raise_unexpected(outcomes: list[Any]) -> None:
    for outcome in outcomes:
        if isinstance(outcome, Exception) and not isinstance(outcome, WebSocketDisconnect):
            raise outcome


def viewers_router(viewers: Viewers) -> APIRouter:
    """The WebSocket route."""
    router = APIRouter()

    @router.websocket("/ws/{call}")
    async def watch(
        websocket: WebSocket,
        call: Name,
        ticket: Annotated[str | None, Query(max_length=64)] = None,
        since: Annotated[int | None, Query(ge=0, le=2**53)] = None,
    ) -> None:
        await viewers.serve(websocket, call, ticket, since)

    return router
