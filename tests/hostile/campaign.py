"""What a campaign is, and what is measured around it: somebody else's video, the API, memory, files and threads."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from guard.calls.signalling_http import request
from guard.errors import JoinError
from tests.guard_process import GuardProcess, guard_process

BYSTANDER = "honest/ann"
_SETTLE_SECONDS = 120.0
_STATUS_PAUSE_SECONDS = 0.25
_MAX_STATUS_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Target:
    """Whom a campaign attacks."""

    guard: GuardProcess
    media: tuple[str, int]
    """The media port at which the guard receives the bystander."""

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
    descriptors_growth: int
    threads_growth: int
    tasks_growth: int


@asynccontextmanager
async def attacked_guard(store: str) -> AsyncIterator[Target]:
    """A guard with one participant who means well; stopped at the end."""
    settings = {
        "GUARD_CALLS__LOOPBACK": "true",
        # In the process that is watched: where a worker takes the blow, tests/guard/isolation looks.
        "GUARD_CALLS__ISOLATION": "none",
        "GUARD_CALLS__MAX_PARTICIPANTS": "8",
        "GUARD_CALLS__FROZEN_SECONDS": "5",
        "GUARD_STORE__PATH": store,
    }
    async with guard_process(settings) as guard:
        pipe = asyncio.subprocess.PIPE
        bystander = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.hostile.bystander", guard.whip_url(*BYSTANDER.split("/"))),
            stdin=pipe,
            stdout=pipe,
        )
        assert bystander.stdin is not None
        assert bystander.stdout is not None
        try:
            bystander.stdin.write(guard.join_token.encode() + b"\n")
            async with asyncio.timeout(_SETTLE_SECONDS):
                host, port = (await bystander.stdout.readline()).decode().split()
            await _until_only_the_bystander(guard)
            yield Target(guard, (host, int(port)))
        finally:
            if bystander.returncode is None:
                bystander.kill()
            await bystander.wait()
        await guard.stop()


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
    during = await guard.read("read")
    await _until_only_the_bystander(guard)
    after = await guard.read("settled")
    times = [seconds for seconds in answers if seconds is not None]
    return CampaignReport(
        name=name,
        tried=count,
        seconds=time.monotonic() - started,
        outcomes=dict(sorted(outcomes.items())),
        bystander_frames=during.participants[BYSTANDER] - before.participants[BYSTANDER],
        bystander_gap_seconds=during.gaps_seconds[BYSTANDER],
        status_asked=len(answers),
        status_failed=len(answers) - len(times),
        status_longest_seconds=max(times, default=0.0),
        rss_growth_mb=(after.rss_bytes - before.rss_bytes) / 1e6,
        descriptors_growth=after.descriptors - before.descriptors,
        threads_growth=after.threads - before.threads,
        tasks_growth=after.tasks - before.tasks,
    )


async def _ask_status(target: Target, answers: list[float | None]) -> None:
    """Every now and then how long the status takes; None where it is not answered."""
    while True:
        asked = time.monotonic()
        status = await target.api("GET", "/api/status", {"Authorization": f"Bearer {target.guard.token}"})
        answers.append(time.monotonic() - asked if status == "200" else None)
        await asyncio.sleep(_STATUS_PAUSE_SECONDS)


async def _until_only_the_bystander(guard: GuardProcess) -> None:
    async with asyncio.timeout(_SETTLE_SECONDS):
        while set((await guard.read()).participants) != {BYSTANDER}:  # noqa: ASYNC110 - in another process
            await asyncio.sleep(0.2)
