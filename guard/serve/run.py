"""The HTTP server: uvicorn, started and stopped from the program that needs it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import h11
from starlette.types import ASGIApp
from uvicorn import Config, Server
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from guard.config import ServerConfig
from guard.errors import ConfigError

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent

_MAX_WEBSOCKET_MESSAGE_BYTES = 1024
_SHUTDOWN_SECONDS = 3
_CUT_SECONDS = 2.0
_BACKLOG = 64
MAX_CONNECTIONS = 256
"""HTTP connections at the same time; WebSockets are counted apart (`guard.serve.viewers`)."""
REQUEST_SECONDS = 15.0
"""A request must have come whole within so long, offers of slow uplinks included."""
_WATCH_SECONDS = 1.0


class PromptCloseProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol, with an end to connections whose peer does not read.

    uvicorn closes a transport and leaves it open until its buffer was sent; to a peer that never reads that is for
    ever, and each such viewer would keep a socket and a buffer.
    """

    async def send(self, message: ASGISendEvent) -> None:
        """Also count a refused handshake as complete: uvicorn logs an error for each of them otherwise."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body":
            self.handshake_complete = True

    async def run_asgi(self) -> None:
        """Cut the connection a little after the application is done with it."""
        await super().run_asgi()
        self.loop.call_later(_CUT_SECONDS, self.transport.abort)

    def keepalive_timeout(self) -> None:
        """Cut the connection a little after it was given up."""
        super().keepalive_timeout()
        self.loop.call_later(_CUT_SECONDS, self.transport.abort)


class PromptRequestProtocol(H11Protocol):
    """uvicorn's HTTP protocol, with an end to connections on which no whole request comes.

    uvicorn waits for ever for the rest of a request: whoever opens connections and sends next to nothing would use up
    the process's file descriptors, and nobody's media would get a socket any more.
    """

    _watch: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Refuse a connection too many; let others send a request in time."""
        super().connection_made(transport)
        self._waits_since = self.loop.time()
        self._watch = self.loop.call_later(REQUEST_SECONDS, self._cut_if_slow)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer."""
        self._watch.cancel()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """The connection is another protocol's from here on."""
        self._watch.cancel()
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        """The next request has its own time."""
        self._waits_since = self.loop.time()
        super().on_response_complete()

    def _cut_if_slow(self) -> None:
        rest = self._waits_since + REQUEST_SECONDS - self.loop.time()
        is_complete = self.conn.their_state not in (h11.IDLE, h11.SEND_BODY)
        if is_complete or rest > 0:
            self._watch = self.loop.call_later(max(rest, _WATCH_SECONDS), self._cut_if_slow)
        else:
            self.transport.abort()


class _EmbeddedServer(Server):
    """A server that is part of a program: it says when it listens, and leaves the process's signals alone."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


@dataclass(frozen=True, slots=True)
class RunningServer:
    """Where a server listens, and how to wait for or bring about its end."""

    host: str
    port: int
    _server: Server
    _serving: asyncio.Task[None]

    @property
    def url(self) -> str:
        """Address for people and clients on this machine, without a slash at its end."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - compared, not bound
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    async def wait(self) -> None:
        """Return when the server has ended."""
        await asyncio.shield(self._serving)

    def stop(self) -> None:
        """Ask the server to end: connections are closed, requests under way get a few seconds."""
        self._server.should_exit = True


@asynccontextmanager
async def serve(app: ASGIApp, config: ServerConfig) -> AsyncIterator[RunningServer]:
    """Listen while the context lasts. Signals are left to the caller.

    Raises ConfigError where the address cannot be bound.
    """
    listener = _bind(config)
    server = _EmbeddedServer(_uvicorn_config(app, config))
    serving = asyncio.create_task(server.serve([listener]), name="http-server")
    try:
        port = listener.getsockname()[1]
        await server.listening.wait()
        yield RunningServer(config.host, port, server, serving)
    finally:
        server.should_exit = True
        await serving
        listener.close()


def _uvicorn_config(app: ASGIApp, config: ServerConfig) -> Config:
    return Config(
        app,
        http=PromptRequestProtocol,
        ws=PromptCloseProtocol,
        ws_max_size=_MAX_WEBSOCKET_MESSAGE_BYTES,
        ws_ping_interval=config.heartbeat_seconds,
        ws_ping_timeout=config.heartbeat_seconds,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )


def _bind(config: ServerConfig) -> socket.socket:
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((config.host, config.port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"cannot listen on {config.host}:{config.port}: {error.strerror or error}; "
            "choose another server.host or server.port"
        ) from error
    listener.setblocking(False)
    return listener
