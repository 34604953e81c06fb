"""The whole guard in one process: call sources, monitor, API and dashboard. What `guard serve` runs."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from pydantic import SecretStr
from rich.console import Console
from rich.markup import escape

from guard.calls.whip import whip_router
from guard.calls.whip_sink import WhipSink
from guard.config import GuardConfig
from guard.monitor import Monitor
from guard.runtime import front_end_factory, make_engine
from guard.serve.access import PublishToken, with_token
from guard.serve.app import create_app
from guard.serve.hub import EventHub
from guard.serve.run import RunningServer, serve
from guard.verify.store import TemplateStore


@dataclass(frozen=True, slots=True)
class RunningGuard:
    """A guard that takes calls, and how to reach it."""

    server: RunningServer
    token: str
    join_token: str
    """Lets its holder publish, and nothing else."""
    monitor: Monitor
    hub: EventHub

    @property
    def dashboard_url(self) -> str:
        """For a browser; the token stands behind '#', which browsers do not send."""
        return f"{self.server.url}/#token={self.token}"

    @property
    def join_url(self) -> str:
        """The page on which a participant publishes the own camera; safe to send to them."""
        return f"{self.server.url}/join#token={self.join_token}"

    def whip_url(self, call: str, participant: str) -> str:
        """Where a WHIP client publishes as this participant."""
        return f"{self.server.url}/whip/{call}/{participant}"


@asynccontextmanager
async def running_guard(config: GuardConfig) -> AsyncIterator[RunningGuard]:
    """Run a guard while the context lasts. Raises GuardError or EngineError where a part cannot start."""
    settings = with_token(config.server)
    hub = EventHub(settings.history_events, settings.viewer_queue_events)
    store = TemplateStore(config.store)
    engine = make_engine(config.engine)
    config = config.model_copy(update={"server": settings})
    monitor = Monitor(engine, config, store, hub, front_end_factory(config.verify))
    sink = WhipSink(config.calls, monitor)
    app = create_app(monitor, hub, settings, [whip_router(sink, PublishToken(settings).accepts, settings.origins)])
    await monitor.start()
    try:
        async with serve(app, settings) as server:
            yield RunningGuard(server, _text(settings.token), _text(settings.join_token), monitor, hub)
    finally:
        await sink.close()
        await monitor.stop()


def _text(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret is not None else ""


def serve_forever(config: GuardConfig) -> None:
    """Run a guard until it is told to end (Ctrl-C or SIGTERM)."""
    asyncio.run(_serve_until_signalled(config))


async def _serve_until_signalled(config: GuardConfig) -> None:
    loop = asyncio.get_running_loop()
    async with running_guard(config) as guard:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, guard.server.stop)
        _announce(guard)
        await guard.server.wait()


def _announce(guard: RunningGuard) -> None:
    status = guard.monitor.status()
    console = Console()
    console.print(f"engine     {status.engine.name} on {status.engine.backend} ({status.engine.device})")
    if status.engine.fallback_reason:
        console.print(f"           not faster because {escape(status.engine.fallback_reason)}", soft_wrap=True)
    console.print(f"dashboard  {guard.dashboard_url}", soft_wrap=True)
    console.print(f"join page  {guard.join_url}", soft_wrap=True)
    console.print(
        f"WHIP       {guard.server.url}/whip/CALL/PARTICIPANT   (bearer token {guard.join_token})", soft_wrap=True
    )
    console.print("Ctrl-C ends it.")
