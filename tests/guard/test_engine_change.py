"""A backend that dies in mid-call, seen from outside: over a real server, by whoever watches or asks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from engines.fallback import Backend, FallbackEngine
from guard import server
from guard.calls.source import LatestFrames
from guard.config import CallsConfig, GuardConfig, ServerConfig, StoreConfig
from guard.media.front_end import FaceFrontEnd
from guard.serve.client import follow
from guard.serve.events import EngineEvent, Event, HelloEvent, ScoreEvent
from guard.server import running_guard
from tests.engines.dying_engine import LOST, DyingEngine
from tests.guard.conftest import ALICE, BrightnessEngine, gray_frame

TOKEN = "a-token-for-tests"
STEPS = 10
FRAMES = 40


async def play(frames: LatestFrames, count: int) -> None:
    """Push frames as fast as the pipeline's thread takes them."""
    for n in range(count):
        while len(frames) > 2:  # noqa: ASYNC110 - lets the pipeline's thread catch up
            await asyncio.sleep(0)
        frames.push(gray_frame(ALICE, n / 30, time.monotonic()))


@pytest.fixture
def config(tmp_path: Path) -> GuardConfig:
    return GuardConfig(
        server=ServerConfig(port=0, token=SecretStr(TOKEN)),
        calls=CallsConfig(loopback=True),
        store=StoreConfig(path=tmp_path / "templates.sqlite3"),
    )


async def test_a_change_of_backend_reaches_every_viewer(
    config: GuardConfig, monkeypatch: pytest.MonkeyPatch, make_front_end: Callable[[], FaceFrontEnd]
) -> None:
    first, second = DyingEngine(BrightnessEngine(), steps=STEPS), BrightnessEngine()
    engine = FallbackEngine([Backend("dying", lambda: first), Backend("test", lambda: second)])
    monkeypatch.setattr(server, "make_engine", lambda _config: engine)
    monkeypatch.setattr(server, "front_end_factory", lambda _config: make_front_end)
    async with running_guard(config) as guard, asyncio.timeout(30):
        url = guard.server.url
        async with (
            aclosing(follow(url, token=TOKEN, call="main")) as here,
            aclosing(follow(url, token=TOKEN, call="nobody-is-in-it")) as elsewhere,
        ):
            for viewer in (here, elsewhere):
                _, hello = await anext(viewer)
                assert isinstance(hello, HelloEvent)
                assert (hello.engine.backend, hello.engine.fallback_reason) == ("dying", None)
            await play(guard.monitor.participant_joined("main", "alice"), FRAMES)
            _, told = await anext(elsewhere)
            seen: list[Event] = []
            while not isinstance((event := (await anext(here))[1]), EngineEvent):
                seen.append(event)
            while not isinstance((await anext(here))[1], ScoreEvent):
                pass  # The call goes on.
        assert any(isinstance(event, ScoreEvent) for event in seen)
        assert isinstance(told, EngineEvent)
        assert told.participant is None
        assert told.engine == event.engine
        assert (told.engine.backend, told.engine.device) == ("test", "cpu")
        assert told.engine.fallback_reason == f"dying: failed in use ({LOST})"
        async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
            assert (await client.get("/api/status")).json()["engine"] == told.engine.model_dump()
        async with aclosing(follow(url, token=TOKEN, call="main")) as late:
            _, hello = await anext(late)
            assert isinstance(hello, HelloEvent)
            assert hello.engine == told.engine
    assert len(second.batches) == FRAMES - STEPS
    assert first.closed
