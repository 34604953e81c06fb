"""What a campaign is, and what is measured around it: somebody else's video, the API, memory, files and threads.

Memory, files and threads are those of the guard and of all of its workers.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from guard.calls.signalling_http import request
from guard.errors import JoinError
from tests.guard_process import GuardProcess, Reading, guard_process

CALL = "honest"
BYSTANDER = f"{CALL}/ann"
_SETTLE_SECONDS = 120.0
_STATUS_PAUSE_SECONDS = 0.25
_AFTERWARDS_SECONDS, _AFTERWARDS_LOOKS = 4.0, 8
_MAX_STATUS_BYTES = 1 << 16


@dataclass(slots=True)
class Target:
    """Whom a campaign attacks."""

    guard: GuardProcess
    store: Path
    isolation: str
    """`calls.isolation` of this guard."""
    bystanders: Sequence[str]
    """Who means well, by `call/participant`."""
    spared_gap_seconds: float | None = None
    """Longest gap of those whom a campaign did not mean to hit, where that is not all of them."""
    media: dict[str, tuple[str, int]] = field(default_factory=dict)
    """The media port at which the guard receives each of the bystanders, by `call/participant`."""

    async def api(self, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> str:
        """The status of one request, as text, or what became of it instead."""
        try:
            reply = await request(method, f"{self.guard.url}{path}", headers, body, max_bytes=1 << 20)
        except JoinError as error:
            return type(error).__name__
        return str(reply.status)


Campaign = Callable[[Target, int, random.Random], Awaitable[Counter[str]]]
"""Tries so many things; returns how often each outcome was seen."""


@dataclass(frozen=True, slots=True)
class CampaignReport:
    """What came of one campaign. Growth is from before it to after everything of it was gone."""

    name: str
    tried: int
    seconds: float
    outcomes: dict[str, int]
    bystander_frames: int
    bystander_gap_seconds: float
    status_asked: int
    status_failed: int
    status_longest_seconds: float
    rss_growth_mb: float
    guard_rss_growth_mb: float
    """The guard's share of that."""
    descriptors_growth: int
    threads_growth: int
    tasks_growth: int


@asynccontextmanager
async def attacked_guard(
    store: Path,
    isolation: str,
    bystanders: Sequence[str] = (BYSTANDER,),
    settings: Mapping[str, str] = MappingProxyType({}),
    clip_seconds: float = 2.0,
) -> AsyncIterator[Target]:
    """A guard with participants who mean well and come back when they are lost; stopped at the end."""
    always = {
        "GUARD_CALLS__LOOPBACK": "true",
        "GUARD_CALLS__ISOLATION": isolation,
        "GUARD_CALLS__MAX_PARTICIPANTS": "8",
        "GUARD_CALLS__FROZEN_SECONDS": "5",
        "GUARD_STORE__PATH": str(store),
    }
    async with guard_process({**always, **settings}) as guard:
        target = Target(guard, store, isolation, bystanders)
        async with _participants(target, clip_seconds):
            await until_only(guard, bystanders)
            await until_seen(guard, bystanders)
            yield target
        await guard.stop()


@asynccontextmanager
async def _participants(target: Target, clip_seconds: float) -> AsyncIterator[None]:
    """People in a process of their own; `target.media` follows them."""
    pipe = asyncio.subprocess.PIPE
    urls = [target.guard.whip_url(*name.split("/")) for name in target.bystanders]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.hostile.bystander", str(clip_seconds), *urls), stdin=pipe, stdout=pipe
    )
    assert process.stdin is not None
    process.stdin.write(target.guard.join_token.encode() + b"\n")
    following = asyncio.create_task(_follow(process, target))
    try:
        yield
    finally:
        following.cancel()
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _follow(process: asyncio.subprocess.Process, target: Target) -> None:
    """Note where the bystanders send their video to."""
    assert process.stdout is not None
    while line := (await process.stdout.readline()).decode():
        url, host, port = line.split()
        target.media["/".join(url.split("/")[-2:])] = host, int(port)


async def run_campaign(name: str, campaign: Campaign, target: Target, count: int, seed: int) -> CampaignReport:
    """Run one campaign and measure around it."""
    guard = target.guard
    before = await guard.read("gaps")
    started = time.monotonic()
    answers: list[float | None] = []
    asking = asyncio.create_task(_ask_status(target, answers))
    try:
        outcomes = await campaign(target, count, random.Random(seed))
    finally:
        asking.cancel()
    during = await guard.read()
    gap = max(during.gaps_seconds[bystander] for bystander in target.bystanders)
    await until_only(guard, target.bystanders)
    after = await _settled(guard, before)
    times = [seconds for seconds in answers if seconds is not None]
    return CampaignReport(
        name=name,
        tried=count,
        seconds=time.monotonic() - started,
        outcomes=dict(sorted(outcomes.items())),
        bystander_frames=sum(during.participants.values()) - sum(before.participants.values()),
        bystander_gap_seconds=gap if target.spared_gap_seconds is None else target.spared_gap_seconds,
        status_asked=len(answers),
        status_failed=len(answers) - len(times),
        status_longest_seconds=max(times, default=0.0),
        rss_growth_mb=(after.total_rss_bytes - before.total_rss_bytes) / 1e6,
        guard_rss_growth_mb=(after.rss_bytes - before.rss_bytes) / 1e6,
        descriptors_growth=after.total_descriptors - before.total_descriptors,
        threads_growth=after.total_threads - before.total_threads,
        tasks_growth=after.tasks - before.tasks,
    )


async def _settled(guard: GuardProcess, before: Reading) -> Reading:
    """What is left when connections that were cut had some time to end."""
    for _ in range(_AFTERWARDS_LOOKS):
        after = await guard.read("settled")
        if after.tasks <= before.tasks and after.total_descriptors <= before.total_descriptors:
            break
        await asyncio.sleep(_AFTERWARDS_SECONDS / _AFTERWARDS_LOOKS)
    return after


async def _ask_status(target: Target, answers: list[float | None]) -> None:
    """Every now and then how long the status takes; None where it is not answered."""
    while True:
        asked = time.monotonic()
        status = await target.api("GET", "/api/status", {"Authorization": f"Bearer {target.guard.token}"})
        answers.append(time.monotonic() - asked if status == "200" else None)
        await asyncio.sleep(_STATUS_PAUSE_SECONDS)


async def until_seen(guard: GuardProcess, names: Collection[str]) -> None:
    """Wait until a frame of each has come: who has only just come may take a second to be seen."""
    async with asyncio.timeout(_SETTLE_SECONDS):
        while True:
            frames = (await guard.read()).participants
            if all(frames.get(name, 0) > 0 for name in names):
                return
            await asyncio.sleep(0.1)


async def until_only(guard: GuardProcess, names: Collection[str]) -> None:
    """Wait until these are there and nobody else."""
    async with asyncio.timeout(_SETTLE_SECONDS):
        while set((await guard.read()).participants) != set(names):  # noqa: ASYNC110 - in another process
            await asyncio.sleep(0.2)
