"""The whole guard with its video received in worker processes: scores come out, and a lost worker is no verdict."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from guard import server
from guard.config import CallsConfig, GuardConfig, ServerConfig, StoreConfig
from guard.serve.events import HealthEvent, LiveEvent, ParticipantEvent, ScoreEvent
from guard.serve.feed import Feed
from guard.server import running_guard
from tests.guard.conftest import BrightnessEngine
from tests.guard.isolation.conftest import Publish, encoded_face, publish

__all__ = ["encoded_face", "publish"]


async def until(feed: Feed, wanted: Callable[[LiveEvent], bool]) -> LiveEvent:
    async with asyncio.timeout(40):
        while not wanted(event := (await feed.next()).event):
            pass
        return event


def is_participant(action: str) -> Callable[[LiveEvent], bool]:
    return lambda event: isinstance(event, ParticipantEvent) and event.action == action


async def test_a_published_face_is_scored_and_a_killed_worker_ends_its_seat(
    tmp_path: Path, publish: Publish, brightness_engine: BrightnessEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "make_engine", lambda _config: brightness_engine)
    config = GuardConfig(
        server=ServerConfig(port=0, join_token=SecretStr("t0ken"), thumbnails=True),
        calls=CallsConfig(loopback=True),
        store=StoreConfig(path=tmp_path / "templates.sqlite3"),
    )
    assert config.calls.isolation == "process"
    async with running_guard(config) as guard:
        assert guard.workers is not None
        with Feed(guard.hub, "main", None) as feed:
            url = guard.whip_url("main", "alice")
            async with publish(url, "t0ken"):
                score = await until(feed, lambda event: isinstance(event, ScoreEvent) and event.valid_fraction == 1)
                assert isinstance(score, ScoreEvent)
                assert score.latency is not None
                assert min(score.latency.queue_ms, score.latency.pixels_ms, score.latency.engine_ms) >= 0
                health = await until(feed, lambda event: isinstance(event, HealthEvent))
                assert isinstance(health, HealthEvent)
                assert health.received_frames > 0
                assert health.breaks > 0
                picture = guard.monitor.thumbnail("main", "alice")
                assert picture is not None
                assert picture.startswith(b"\xff\xd8")
                os.kill(guard.workers.pids[0], signal.SIGKILL)
                left = await until(feed, is_participant("left"))
                assert isinstance(left, ParticipantEvent)
                assert left.why == "the process that received the video ended"
                assert guard.monitor.participants("main") == []
            async with publish(url, "t0ken"):
                await until(feed, is_participant("joined"))
                await until(feed, lambda event: isinstance(event, ScoreEvent) and event.latency is not None)
