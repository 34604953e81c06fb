"""A guard in a process of its own, for tests that watch it from outside: `python -m tests.guard_process`.

Settings come from `GUARD_...` variables. It prints where it is reached as one line of JSON, then answers every line on
its input with one: `read` with a `Reading`, `settled` the same after a garbage collection and with the receivers'
counters, `gaps` like that while starting to measure gaps anew, `trace` by starting to trace allocations, `top` with
where memory grew since. At the end of its input it stops and prints how long that took. Where video is received in
workers, what these hold is read too, but nothing inside them: the receivers' counters and the traces are the guard's.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from guard.calls.receiver_tap import ReceiverTap
from guard.calls.source import LatestFrames
from guard.config import GuardConfig
from guard.isolation.isolated_peer import IsolatedPeer
from guard.isolation.supervisor import Supervisor
from guard.media.latest_faces import LatestFaces
from guard.server import RunningGuard, running_guard

_START_SECONDS = 120.0
_ANSWER_SECONDS = 30.0
_STOP_SECONDS = 60.0
_TOP_LINES = 25
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

Queue = TypeVar("Queue", LatestFrames, LatestFaces)


@dataclass(frozen=True, slots=True)
class WorkerReading:
    """What one worker holds at one moment."""

    pid: int
    rss_bytes: int
    descriptors: int
    threads: int
    participants: tuple[str, ...]
    """Whose video it receives, by `call/participant`."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a guard's process holds at one moment, and its workers."""

    rss_bytes: int
    descriptors: int
    threads: int
    tasks: int
    gc_objects: int
    workers: tuple[WorkerReading, ...]
    """Empty where the guard receives the video itself."""
    participants: dict[str, int]
    """Frames received so far, in all of their visits, from everybody who is there, by `call/participant`."""
    gaps_seconds: dict[str, float]
    """Longest time without a new frame since the last `gaps`, absences and the time up to now included."""
    counters: dict[str, int]
    """What receivers dropped, summed over all that still exist; empty where it was not asked for or is not here."""

    @property
    def total_rss_bytes(self) -> int:
        """Of the guard and its workers. Pages that they share count in each."""
        return self.rss_bytes + sum(worker.rss_bytes for worker in self.workers)

    @property
    def total_descriptors(self) -> int:
        """Of the guard and its workers."""
        return self.descriptors + sum(worker.descriptors for worker in self.workers)

    @property
    def total_threads(self) -> int:
        """Of the guard and its workers."""
        return self.threads + sum(worker.threads for worker in self.workers)


@dataclass(slots=True)
class _Arrivals:
    """When frames came from one participant, who may leave and come back."""

    last_seconds: float
    longest_seconds: float = 0.0
    is_there: bool = True
    frames: int = 0

    def note(self, now: float) -> None:
        self.frames += 1
        self.longest_seconds = max(self.longest_seconds, now - self.last_seconds)
        self.last_seconds = now


@dataclass(slots=True)
class _Watch:
    """Stands between the call sources and the monitor and writes down when frames come."""

    arrivals: dict[str, _Arrivals] = field(default_factory=dict)

    def install(self, guard: RunningGuard) -> None:
        monitor = guard.monitor
        joined, faces_joined, left = monitor.participant_joined, monitor.faces_joined, monitor.participant_left

        def participant_joined(call: str, participant: str) -> LatestFrames:
            return self._timed(joined(call, participant), f"{call}/{participant}")

        def participants_faces_joined(call: str, participant: str) -> LatestFaces:
            return self._timed(faces_joined(call, participant), f"{call}/{participant}")

        def participant_left(call: str, participant: str, why: str) -> None:
            self.arrivals[f"{call}/{participant}"].is_there = False
            left(call, participant, why)

        monitor.participant_joined = participant_joined  # type: ignore[method-assign]
        monitor.faces_joined = participants_faces_joined  # type: ignore[method-assign]
        monitor.participant_left = participant_left  # type: ignore[method-assign]

    def _timed(self, frames: Queue, name: str) -> Queue:
        arrivals = self.arrivals.setdefault(name, _Arrivals(time.monotonic()))
        arrivals.is_there = True
        push = frames.push

        def timed(frame: Any) -> None:
            arrivals.note(time.monotonic())
            push(frame)

        frames.push = timed  # type: ignore[method-assign]
        return frames

    def gaps(self, *, anew: bool) -> dict[str, float]:
        now, gaps = time.monotonic(), {}
        for name, arrivals in self.arrivals.items():
            gaps[name] = max(arrivals.longest_seconds, now - arrivals.last_seconds)
            if anew:
                arrivals.longest_seconds, arrivals.last_seconds = 0.0, now
        return gaps


def _read(watch: _Watch, workers: Supervisor | None, *, settled: bool, anew: bool) -> Reading:
    if settled:
        gc.collect()
    return Reading(
        **_held_by(os.getpid()),
        tasks=len(asyncio.all_tasks()),
        gc_objects=len(gc.get_objects()),
        workers=() if workers is None else _workers(workers),
        participants={name: arrivals.frames for name, arrivals in watch.arrivals.items() if arrivals.is_there},
        gaps_seconds=watch.gaps(anew=anew),
        counters=_counters() if settled else {},
    )


def _held_by(pid: int) -> dict[str, int]:
    """Memory, files and threads of a process. Raises OSError where it has ended."""
    process = Path("/proc", str(pid))
    return {
        "rss_bytes": int((process / "statm").read_text("ascii").split()[1]) * _PAGE_BYTES,
        "descriptors": len(list((process / "fd").iterdir())),
        "threads": len(list((process / "task").iterdir())),
    }


def _workers(supervisor: Supervisor) -> tuple[WorkerReading, ...]:
    readings = []
    for worker in [post.worker for post in supervisor._posts if post.worker is not None]:
        peers = [peer for peer in worker._peers.values() if isinstance(peer, IsolatedPeer)]
        names = tuple(f"{peer._call}/{stream.participant}" for peer in peers for stream in peer.streams.values())
        # It may end while it is looked at.
        with suppress(OSError):
            if worker.pid is not None:
                readings.append(WorkerReading(pid=worker.pid, participants=names, **_held_by(worker.pid)))
    return tuple(readings)


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
                reading = _read(watch, guard.workers, settled=line != "read", anew=line == "gaps")
                _say(asdict(reading))
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
        answer = await self.ask(question)
        workers = tuple(WorkerReading(**worker) for worker in answer.pop("workers"))
        return Reading(**answer, workers=workers)

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
