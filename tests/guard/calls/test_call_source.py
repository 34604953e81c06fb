"""Staying in a call: attempts, waits and ends on a virtual clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from guard.calls.backoff import Backoff, BackoffPolicy
from guard.calls.call_source import RejoiningSource, SourceState, SourceStats, Track
from guard.errors import JoinError
from tests.guard.calls.test_backoff import HighestRandom
from tests.whip_endpoint import until

POLICY = BackoffPolicy(first_seconds=1, factor=2, longest_seconds=8, stable_seconds=60)


@dataclass
class World:
    """A clock that only waits move, and what the source did on it."""

    script: list[str | Exception]
    """How each visit goes: the reason of its end, an error before joining, or 'stay'."""
    visit_seconds: float = 1.0
    now: float = 0.0
    waits: list[float] = field(default_factory=list)
    changes: list[SourceStats] = field(default_factory=list)
    running: int = 0

    def source(self, *, once: bool = False) -> RejoiningSource:
        return RejoiningSource(
            lambda: ScriptedVisit(self, self.script.pop(0)),
            Backoff(POLICY, HighestRandom()),
            self.changes.append,
            once=once,
            now=lambda: self.now,
            sleep=self.sleep,
        )

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    async def reach(self, state: SourceState) -> None:
        await until(lambda: bool(self.changes) and self.changes[-1].state is state)

    @property
    def states(self) -> list[str]:
        return [stats.state.value for stats in self.changes]


@dataclass
class ScriptedVisit:
    world: World
    course: str | Exception
    tracks: Sequence[Track] = ()

    async def run(self, joined: Callable[[], None]) -> str:
        self.world.running += 1
        try:
            await asyncio.sleep(0)
            if isinstance(self.course, Exception):
                raise self.course
            joined()
            self.world.now += self.world.visit_seconds
            if self.course == "stay":
                await asyncio.Event().wait()
            return self.course
        finally:
            self.world.running -= 1


async def test_the_server_vanishes_and_returns() -> None:
    gone = JoinError("cannot reach the server")
    world = World(["the connection failed", gone, gone, gone, gone, gone, "stay"])
    source = world.source()
    await source.connect()
    await until(lambda: len(world.waits) == 6)
    await world.reach(SourceState.JOINED)
    assert world.waits == [1, 2, 4, 8, 8, 8]
    assert source.stats() == SourceStats(SourceState.JOINED, attempts=7, joins=2)
    await source.close()
    assert world.running == 0
    assert source.stats().state is SourceState.CLOSED


async def test_a_long_visit_makes_the_waits_short_again() -> None:
    world = World([*["lost"] * 3, "stay"], visit_seconds=60)
    source = world.source()
    await source.connect()
    await until(lambda: len(world.waits) == 3)
    assert world.waits == [1, 1, 1]
    await source.close()


async def test_a_final_refusal_ends_it() -> None:
    world = World([JoinError("the token is refused", retryable=False)])
    source = world.source()
    await source.connect()
    with pytest.raises(JoinError, match="refused"):
        await source.wait_ended()
    assert world.states == ["joining", "failed"]
    assert world.waits == []
    await source.close()


async def test_the_servers_wish_for_patience_is_granted() -> None:
    world = World([JoinError("busy", retry_after_seconds=120), "stay"])
    source = world.source()
    await source.connect()
    await world.reach(SourceState.JOINED)
    assert world.waits == [120]
    assert world.changes[1] == SourceStats(SourceState.WAITING, 1, 0, "busy", 120)
    await source.close()


async def test_an_error_of_the_guards_own_is_no_end(caplog: pytest.LogCaptureFixture) -> None:
    world = World([RuntimeError("oops"), "stay"])
    source = world.source()
    await source.connect()
    await world.reach(SourceState.JOINED)
    assert "oops" in caplog.text
    assert world.changes[1].why == "the guard had an internal error"
    await source.close()


async def test_closing_ends_the_wait() -> None:
    world = World([JoinError("gone")])
    source = world.source()

    async def long_sleep(seconds: float) -> None:
        await asyncio.Event().wait()

    world.sleep = long_sleep  # type: ignore[method-assign]
    source = world.source()
    await source.connect()
    await world.reach(SourceState.WAITING)
    closing = asyncio.create_task(source.close())
    await source.wait_ended()
    await closing
    assert source.stats().state is SourceState.CLOSED


async def test_a_source_that_never_connected_can_be_closed() -> None:
    source = World([]).source()
    await source.close()
    await source.wait_ended()
    assert source.tracks == ()


async def test_what_was_there_once_is_not_come_back_to() -> None:
    world = World([JoinError("not yet"), "the recording has ended"])
    source = world.source(once=True)
    await source.connect()
    await world.reach(SourceState.CLOSED)
    assert world.states == ["joining", "waiting", "joining", "joined", "closed"]
    assert source.stats() == SourceStats(SourceState.CLOSED, 2, 1, "the recording has ended")
    ended = asyncio.create_task(source.wait_ended())
    await asyncio.sleep(0)
    assert not ended.done()  # the guard goes on for those who look at the result
    await source.close()
    await ended
