"""A guard in a process of its own, for tests that watch it from outside: `python -m tests.guard_process`.

Settings come from `GUARD_...` variables. It prints where it is reached as one line of JSON, then answers every line on
its input with one: `read` with a `Reading`, `settled` the same after a garbage collection and with the receivers'
counters, `gaps` like that while starting to measure gaps anew, `trace` by starting to trace allocations, `top` with
where memory grew since. At the end of its input it stops and prints how long that took.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from guard.calls.receiver_tap import ReceiverTap
from guard.calls.source import LatestFrames, ReceivedFrame
from guard.config import GuardConfig
from guard.server import RunningGuard, running_guard

_START_SECONDS = 120.0
_ANSWER_SECONDS = 30.0
_STOP_SECONDS = 60.0
_TOP_LINES = 25
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Reading:
    """What a guard's process holds at one moment."""

    rss_bytes: int
    descriptors: int
    threads: int
    tasks: int
    gc_objects: int
    participants: dict[str, int]
    """Frames received so far from everybody who is there, by `call/participant`."""
    gaps_seconds: dict[str, float]
    """Longest time without a new frame since the last `gaps`, the time up to now included."""
    counters: dict[str, int]
    """What receivers dropped, summed over all that still exist; empty where it was not asked for."""


@dataclass(slots=True)
class _Arrivals:
    """When frames came from one participant."""

    frames: LatestFrames
    last_seconds: float
    longest_seconds: float = 0.0

    def note(self, now: float) -> None:
        self.longest_seconds = max(self.longest_seconds, now - self.last_seconds)
        self.last_seconds = now


@dataclass(slots=True)
class _Watch:
    """Stands between the call sources and the monitor and writes down when frames come."""

    arrivals: dict[str, _Arrivals] = field(default_factory=dict)

    def install(self, guard: RunningGuard) -> None:
        joined, left = guard.monitor.participant_joined, guard.monitor.participant_left

        def participant_joined(call: str, participant: str) -> LatestFrames:
            frames = joined(call, participant)
            arrivals = self.arrivals[f"{call}/{participant}"] = _Arrivals(frames, time.monotonic())
            push = frames.push

            def timed(frame: ReceivedFrame) -> None:
                arrivals.note(time.monotonic())
                push(frame)

            frames.push = timed  # type: ignore[method-assign]
            return frames

        def participant_left(call: str, participant: str, why: str) -> None:
            self.arrivals.pop(f"{call}/{participant}", None)
            left(call, participant, why)

        guard.monitor.participant_joined = participant_joined  # type: ignore[method-assign]
        guard.monitor.participant_left = participant_left  # type: ignore[method-assign]

    def gaps(self, *, anew: bool) -> dict[str, float]:
        now, gaps = time.monotonic(), {}
        for name, arrivals in self.arrivals.items():
            gaps[name] = max(arrivals.longest_seconds, now - arrivals.last_seconds)
            if anew:
                arrivals.longest_seconds, arrivals.last_seconds = 0.0, now
        return gaps


def _read(watch: _Watch, *, settled: bool, anew: bool) -> Reading:
    if settled:
        gc.collect()
    return Reading(
        rss_bytes=int(Path("/proc/self/statm").read_text("ascii").split()[1]) * _PAGE_BYTES,
        descriptors=len(list(Path("/proc/self/fd").iterdir())),
        threads=threading.active_count(),
        tasks=len(asyncio.all_tasks()),
        gc_objects=len(gc.get_objects()),
        participants={name: arrivals.frames.received for name, arrivals in watch.arrivals.items()},
        gaps_seconds=watch.gaps(anew=anew),
        counters=_counters() if settled else {},
    )


def _counters() -> dict[str, int]:
    total: Counter[str] = Counter()
    for tap in [kept for kept in gc.get_objects() if isinstance(kept, ReceiverTap)]:
        stream, buffer = tap.stream, tap.stream.buffer
        total.update(
            receivers=1,
            over_rate=tap.over_rate,
            admitted=stream.counters.admitted,
            gated=stream.counters.gated,
            keyframe_requests=stream.counters.keyframe_requests,
            late=buffer.late,
            given_up=buffer.given_up,
            restarts=buffer.restarts,
        )
    return dict(total)


def _growth(before: tracemalloc.Snapshot) -> list[str]:
    gc.collect()
    lines = []
    for change in tracemalloc.take_snapshot().compare_to(before, "traceback")[:_TOP_LINES]:
        where = " < ".join(map(str, reversed(list(change.traceback))))
        lines.append(f"{change.size_diff / 1024:+.1f} KiB {change.count_diff:+d} in {where}")
    return lines


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    watch, snapshot = _Watch(), None
    async with running_guard(GuardConfig()) as guard:
        watch.install(guard)
        _say({"url": guard.server.url, "token": guard.token, "join_token": guard.join_token, "pid": os.getpid()})
        while line := (await reader.readline()).decode().strip():
            if line == "trace":
                tracemalloc.start(6)
                snapshot = tracemalloc.take_snapshot()
                _say([])
            elif line == "top" and snapshot is not None:
                _say(_growth(snapshot))
            else:
                _say(asdict(_read(watch, settled=line != "read", anew=line == "gaps")))
        started = time.monotonic()
    _say({"stop_seconds": time.monotonic() - started})


def _say(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


# --- the other side -----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class GuardProcess:
    """A running guard, seen from outside."""

    url: str
    token: str
    join_token: str
    pid: int
    _process: asyncio.subprocess.Process
    stop_seconds: float | None = None
    """How long it took to stop; None while it runs, or where it did not stop by itself."""

    def whip_url(self, call: str, participant: str) -> str:
        """Where a WHIP client publishes as this participant."""
        return f"{self.url}/whip/{call}/{participant}"

    async def read(self, question: str = "read") -> Reading:
        """What it holds now; `question` is `read`, `settled` or `gaps`."""
        return Reading(**await self.ask(question))

    async def ask(self, question: str) -> Any:
        """Its answer to one line."""
        assert self._process.stdin is not None
        self._process.stdin.write(question.encode() + b"\n")
        return await _line(self._process, _ANSWER_SECONDS)

    async def stop(self) -> None:
        """Tell it to end, and note how long that takes."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self.stop_seconds = (await _line(self._process, _STOP_SECONDS))["stop_seconds"]
        async with asyncio.timeout(_STOP_SECONDS):
            await self._process.wait()


@asynccontextmanager
async def guard_process(settings: dict[str, str]) -> AsyncIterator[GuardProcess]:
    """Start a guard with these `GUARD_...` variables on a free port; stopped at the end, where it was not before."""
    pipe = asyncio.subprocess.PIPE
    environment = {"OMP_NUM_THREADS": "1", **os.environ, "GUARD_SERVER__PORT": "0", **settings}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.guard_process", stdin=pipe, stdout=pipe, env=environment, limit=1 << 20
    )
    try:
        guard = GuardProcess(**await _line(process, _START_SECONDS), _process=process)
        yield guard
        if guard.stop_seconds is None:
            await guard.stop()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _line(process: asyncio.subprocess.Process, seconds: float) -> Any:
    assert process.stdout is not None
    async with asyncio.timeout(seconds):
        line = await process.stdout.readline()
    assert line, "the guard's process has ended"
    return json.loads(line)


if __name__ == "__main__":
    asyncio.run(_serve())
