"""Workers that are killed, stopped or starved of memory while they receive video and templates are being enrolled."""

from __future__ import annotations

import asyncio
import json
import os
import random
import resource
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

from guard.calls.signalling_http import request
from guard.config import StoreConfig
from guard.errors import GuardError
from guard.isolation.worker import SPARE_BYTES
from guard.verify.store import TemplateStore
from tests.guard_process import Reading, WorkerReading
from tests.hostile.campaign import CALL, Target

BYSTANDERS = tuple(f"{CALL}/{name}" for name in ("ann", "ben", "cara", "dan"))
SETTINGS = {"GUARD_CALLS__STREAMS_PER_WORKER": "2", "GUARD_VERIFY__ENROLMENT_SECONDS": "5"}
"""Two workers with two streams each; enrolments that are over before the next worker is lost."""

CLIP_SECONDS = 8.0
"""So long that an enrolment sees no loop."""

_HARMS = ("kill -9", "SIGSTOP", "out of memory")
_CALM_SECONDS = 10.0
"""Between a worker's return and the next harm: long enough for an enrolment of those who were spared."""
_BACK_SECONDS = 90.0
_LOOK_SECONDS = 0.2
_ENROL_SECONDS = 0.5
_CONSENT = {"statement": "I agree.", "given_by": "a test", "text_version": "1"}


async def workers_under_load(target: Target, count: int, rng: random.Random) -> Counter[str]:
    """Others must not notice, those who were hit must come back, and no template may be lost."""
    outcomes: Counter[str] = Counter()
    enrolled: set[str] = set()
    enrolling = asyncio.create_task(_enrol_everybody(target, enrolled))
    target.spared_gap_seconds = 0.0
    outcomes["workers at first"] = len((await target.guard.read()).workers)
    try:
        for number in range(count):
            await asyncio.sleep(_CALM_SECONDS)
            await _harm_one(target, _HARMS[number % len(_HARMS)], rng, outcomes)
        await asyncio.sleep(_CALM_SECONDS)
    finally:
        enrolling.cancel()
    outcomes["workers in the end"] = len((await target.guard.read()).workers)
    outcomes["templates enrolled meanwhile"] = len(enrolled)
    outcomes["templates lost"] = len(enrolled - await _readable_templates(target))
    return outcomes


async def _harm_one(target: Target, harm: str, rng: random.Random, outcomes: Counter[str]) -> None:
    """Do it to one of the workers that receive video; wait until everybody is back."""
    before = await target.guard.read("gaps")
    victim = rng.choice([worker for worker in before.workers if worker.participants])
    spared = set(target.bystanders) - set(victim.participants)
    harmed = time.monotonic()
    _harm(victim, harm, rng)
    outcomes[f"{harm}: tried"] += 1
    try:
        async with asyncio.timeout(_BACK_SECONDS):
            while not _are_back(before, after := await target.guard.read(), victim):  # noqa: ASYNC110 - elsewhere
                await asyncio.sleep(_LOOK_SECONDS)
    except TimeoutError:
        outcomes[f"{harm}: not back within {_BACK_SECONDS:.0f} s"] += 1
        return
    slowest = f"{harm}: slowest return, ms"
    outcomes[slowest] = max(outcomes[slowest], round(1000 * (time.monotonic() - harmed)))
    gap = max(after.gaps_seconds[name] for name in spared)
    longest = f"{harm}: longest gap of the others, ms"
    outcomes[longest] = max(outcomes[longest], round(1000 * gap))
    target.spared_gap_seconds = max(target.spared_gap_seconds or 0.0, gap)


def _harm(victim: WorkerReading, harm: str, rng: random.Random) -> None:
    if harm == "kill -9":
        os.kill(victim.pid, signal.SIGKILL)
    elif harm == "SIGSTOP":
        os.kill(victim.pid, signal.SIGSTOP)
    else:
        _starve(victim.pid, rng.randrange(SPARE_BYTES))


def _starve(pid: int, spare_bytes: int) -> None:
    """Leave it what it has and less than it wants to spare: decoders, Python or its own look at it find none left."""
    process = Path("/proc", str(pid))
    limit = resource.getpagesize() * int((process / "statm").read_text("ascii").split()[0]) + spare_bytes
    fields = dict(line.split(":\t", 1) for line in (process / "status").read_text("ascii").splitlines())
    user, group = (int(fields[name].split()[0]) for name in ("Uid", "Gid"))
    command = ["prlimit", "--pid", str(pid), f"--as={limit}:{limit}"]
    if user == os.geteuid():
        subprocess.run(command, check=True)
    else:
        # In a container even root must be the same user as the process whose limits it sets.
        subprocess.run(command, check=True, user=user, group=group, extra_groups=[])


def _are_back(before: Reading, now: Reading, victim: WorkerReading) -> bool:
    """True where the worker is gone, and everybody whose video it received sends frames to another one."""
    received = {name for worker in now.workers if worker.pid != victim.pid for name in worker.participants}
    return (
        all(worker.pid != victim.pid for worker in now.workers)
        and received >= set(victim.participants)
        and all(now.participants.get(name, 0) > before.participants[name] for name in victim.participants)
    )


async def _enrol_everybody(target: Target, enrolled: set[str]) -> None:
    """Again and again, under a new name each time; `enrolled` are those that the guard said it has."""
    number = 0
    while True:
        for bystander in target.bystanders:
            call, participant = bystander.split("/")
            body = json.dumps({"name": f"{participant}-{number}", "consent": _CONSENT}).encode()
            headers = {**_authorised(target), "Content-Type": "application/json"}
            # 404 while they are away, 409 while an enrolment of them is running.
            await target.api("POST", f"/api/calls/{call}/participants/{participant}/enrolment", headers, body)
        number += 1
        reply = await request("GET", f"{target.guard.url}/api/templates", _authorised(target), max_bytes=1 << 20)
        enrolled.update(template["name"] for template in json.loads(reply.body))
        await asyncio.sleep(_ENROL_SECONDS)


async def _readable_templates(target: Target) -> set[str]:
    """Whom the store has a whole template of."""
    store = TemplateStore(StoreConfig(path=target.store))
    readable = set()
    for info in await asyncio.to_thread(store.list):
        try:
            readable.add(store.get(info.name).name)
        except GuardError:
            continue
    return readable


def _authorised(target: Target) -> dict[str, str]:
    return {"Authorization": f"Bearer {target.guard.token}"}
