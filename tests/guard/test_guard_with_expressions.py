"""The whole guard with expressions on: they are tracked beside the scores, and whatever ends them ends no score."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from guard import server
from guard.config import CallsConfig, ExpressionsConfig, GuardConfig, ServerConfig, StoreConfig
from guard.expressions.front_end import ExpressionFrontEnd
from guard.expressions.lifecycle import TrackerState
from guard.expressions.sample import ExpressionSample, NoExpressions
from guard.seat_key import SeatKey
from guard.serve.events import ScoreEvent
from guard.serve.feed import Feed
from guard.server import RunningGuard, running_guard
from tests.guard.conftest import BrightnessEngine
from tests.guard.expressions.conftest import StandIn, stand_in
from tests.guard.isolation.conftest import Publish, encoded_face, publish

__all__ = ["encoded_face", "publish", "stand_in"]


class Seen(NoExpressions):
    """A watch that notes what it gets."""

    def __init__(self) -> None:
        self.samples: list[ExpressionSample] = []
        self.left: list[SeatKey] = []

    def observe(self, seat: SeatKey, sample: ExpressionSample, now: float) -> None:
        self.samples.append(sample)

    def leave(self, seat: SeatKey) -> None:
        self.left.append(seat)


@asynccontextmanager
async def guarding(
    expressions: ExpressionsConfig, tmp_path: Path, engine: BrightnessEngine, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[RunningGuard, ExpressionFrontEnd, Seen]]:
    monkeypatch.setattr(server, "make_engine", lambda _config: engine)
    config = GuardConfig(
        server=ServerConfig(port=0, join_token=SecretStr("t0ken")),
        calls=CallsConfig(loopback=True, isolation="none"),
        store=StoreConfig(path=tmp_path / "templates.sqlite3"),
        expressions=expressions,
    )
    async with running_guard(config) as guard:
        assert guard.monitor.opinions.expressions is not None
        seen = Seen()
        guard.monitor.pipeline.watch = seen
        yield guard, guard.monitor.opinions.expressions, seen


async def until(condition: Callable[[], bool]) -> None:
    """What the tracker's and the pipeline's threads do rings no bell here."""
    async with asyncio.timeout(40):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def scores(feed: Feed, number: int) -> None:
    async with asyncio.timeout(40):
        while number:
            number -= isinstance((await feed.next()).event, ScoreEvent)


async def test_samples_come_with_scores_and_a_killed_tracker_comes_back_without_harm_to_them(
    stand_in: StandIn,
    tmp_path: Path,
    publish: Publish,
    brightness_engine: BrightnessEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with guarding(stand_in(), tmp_path, brightness_engine, monkeypatch) as (guard, expressions, seen):
        with Feed(guard.hub, "main", None) as feed:
            async with publish(guard.whip_url("main", "alice"), "t0ken"):
                await until(lambda: len(seen.samples) > 5)
                assert {sample.seat for sample in seen.samples} == {SeatKey("main", "alice")}
                assert all(sample.found for sample in seen.samples)
                assert expressions.pid is not None
                os.kill(expressions.pid, signal.SIGKILL)
                await until(lambda: expressions.status.reason is not None)
                assert expressions.status.reason == "the tracker of expressions ended with SIGKILL"
                await scores(feed, 3)
                await until(lambda: expressions.status.state is TrackerState.RUNNING)
                before = len(seen.samples)
                await until(lambda: len(seen.samples) > before)
            await until(lambda: seen.left == [SeatKey("main", "alice")])
    assert expressions.pid is None


async def test_scores_come_where_no_tracker_can_run(
    stand_in: StandIn,
    tmp_path: Path,
    publish: Publish,
    brightness_engine: BrightnessEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with guarding(stand_in("refuses"), tmp_path, brightness_engine, monkeypatch) as (guard, expressions, seen):
        with Feed(guard.hub, "main", None) as feed:
            async with publish(guard.whip_url("main", "alice"), "t0ken"):
                await scores(feed, 3)
        await until(lambda: expressions.status.state is TrackerState.REFUSED)
        assert expressions.status.reason == (
            "MediaPipe 1.2.2 is newer than what was checked; pip install mediapipe==0.10.35"
        )
        assert seen.samples == []
