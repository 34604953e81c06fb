"""The whole guard in one process: call sources, monitor, API and dashboard. What `guard serve` runs."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from pydantic import SecretStr
from rich.console import Console
from rich.markup import escape

from guard.calls.call_source import CallSource, SourceState, SourceStats
from guard.calls.peer import MakePeer
from guard.calls.seats import Seats
from guard.calls.source import CallListener
from guard.calls.source_registry import make_source, safe_url
from guard.calls.whip import whip_router
from guard.calls.whip_sink import WhipSink
from guard.config import GuardConfig, SourceConfig
from guard.isolation.supervisor import Supervisor, describe
from guard.monitor import Monitor
from guard.runtime import front_end_factory, make_engine, make_person_models, make_witnesses
from guard.serve.access import PublishToken, with_token
from guard.serve.app import create_app
from guard.serve.hub import EventHub
from guard.serve.run import RunningServer, serve
from guard.source_board import SourceBoard
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
    sources: Sequence[CallSource]
    """The calls that it joins by itself, in the order of the settings."""
    workers: Supervisor | None
    """Where video is received, if not in this process."""

    @property
    def dashboard_url(self) -> str:
        """For a browser; the token stands behind '#', which browsers do not send."""
        return f"{self.server.url}/#token={self.token}"

    @property
    def join_url(self) -> str:
        """The page on which a participant publishes the own camera; safe to send to them."""
        return f"{self.server.url}/join#token={self.join_token}"

    @property
    def tap_url(self) -> str:
        """The page on which an operator shares a call that goes on in their browser."""
        return f"{self.server.url}/tap#token={self.join_token}"

    def whip_url(self, call: str, participant: str) -> str:
        """Where a WHIP client publishes as this participant."""
        return f"{self.server.url}/whip/{call}/{participant}"


SourceReport: TypeAlias = Callable[[SourceConfig, SourceStats], None]
"""Hears what becomes of the calls that the guard joins by itself."""


@asynccontextmanager
async def running_guard(
    config: GuardConfig, on_source_change: SourceReport = lambda _source, _stats: None
) -> AsyncIterator[RunningGuard]:
    """Run a guard while the context lasts. Raises GuardError or EngineError where a part cannot start."""
    settings = with_token(config.server)
    hub = EventHub(settings.history_events, settings.viewer_queue_events)
    store = TemplateStore(config.store)
    engine = make_engine(config.engine)
    config = config.model_copy(update={"server": settings})
    witnesses, people = make_witnesses(config, engine.spec), make_person_models(config)
    monitor = Monitor(engine, config, store, hub, front_end_factory(config.verify), witnesses, people)
    seats = Seats(monitor, config.calls.max_participants)
    workers = Supervisor(config.calls, config.verify.min_fps, seats) if config.calls.isolation == "process" else None
    make_peer = workers.peer if workers is not None else None
    sink = WhipSink(config.calls, seats, make_peer)
    sources = _make_sources(config, seats, monitor.source_board, on_source_change, make_peer)
    app = create_app(monitor, hub, settings, [whip_router(sink, PublishToken(settings).accepts, settings.origins)])
    await monitor.start()
    try:
        if workers is not None:
            await workers.start()
        async with serve(app, settings) as server:
            for source in sources:
                await source.connect()
            token, join_token = _text(settings.token), _text(settings.join_token)
            yield RunningGuard(server, token, join_token, monitor, hub, sources, workers)
    finally:
        await asyncio.gather(sink.close(), *(source.close() for source in sources))
        if workers is not None:
            await workers.close()
        await monitor.stop()


def _make_sources(
    config: GuardConfig,
    listener: CallListener,
    board: SourceBoard,
    on_change: SourceReport,
    make_peer: MakePeer | None,
) -> list[CallSource]:
    def changed(number: int, source: SourceConfig, stats: SourceStats) -> None:
        board.note(number, stats)
        on_change(source, stats)

    return [
        make_source(source, config.calls, listener, partial(changed, number, source), make_peer)
        for number, source in enumerate(config.calls.sources)
    ]


def _text(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret is not None else ""


def serve_forever(config: GuardConfig, *, must_join: bool = False) -> None:
    """Run a guard until it is told to end (Ctrl-C or SIGTERM).

    With `must_join` a call that refuses the guard for good is an end too: raises its JoinError.
    """
    asyncio.run(_serve_until_signalled(config, must_join))


async def _serve_until_signalled(config: GuardConfig, must_join: bool) -> None:
    loop = asyncio.get_running_loop()
    console = Console()
    async with running_guard(config, partial(_announce_source, console)) as guard:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, guard.server.stop)
        _announce(console, guard)
        await _first_end([guard.server.wait(), *(source.wait_ended() for source in guard.sources if must_join)])


async def _first_end(ends: Sequence[Coroutine[None, None, None]]) -> None:
    tasks = [asyncio.ensure_future(end) for end in ends]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()


def _announce_source(console: Console, source: SourceConfig, stats: SourceStats) -> None:
    if stats.state is SourceState.JOINED:
        text = f"joined as {source.call}"
    elif stats.state is SourceState.WAITING and stats.retry_seconds is not None:
        text = f"{stats.why}; again in {stats.retry_seconds:.1f} s"
    elif stats.state is SourceState.FAILED:
        text = f"given up: {stats.why}"
    else:
        return
    console.print(f"call       {escape(safe_url(source.url))}  {escape(text)}", soft_wrap=True)


def _announce(console: Console, guard: RunningGuard) -> None:
    status = guard.monitor.status()
    console.print(f"engine     {status.engine.name} on {status.engine.backend} ({status.engine.device})")
    if status.engine.fallback_reason:
        console.print(f"           not faster because {escape(status.engine.fallback_reason)}", soft_wrap=True)
    confined = "no: hostile video is decoded where templates and tokens are (calls.isolation)"
    if guard.workers is not None:
        confined = f"video is received in processes of their own: {describe(guard.workers.measures)}"
    console.print(f"isolation  {escape(confined)}", soft_wrap=True)
    if guard.monitor.opinions.expressions is not None:
        console.print("expressions are tracked in a process of its own, which is starting", soft_wrap=True)
    console.print(f"dashboard  {guard.dashboard_url}", soft_wrap=True)
    console.print(f"join page  {guard.join_url}", soft_wrap=True)
    console.print(f"tap page   {guard.tap_url}", soft_wrap=True)
    console.print(
        f"WHIP       {guard.server.url}/whip/CALL/PARTICIPANT   (bearer token {guard.join_token})", soft_wrap=True
    )
    console.print("Ctrl-C ends it.")
