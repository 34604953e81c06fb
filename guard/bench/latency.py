"""`guard bench latency`: pipeline latency and CPU over real WebRTC streams.

Open loop: a second process sends pre-encoded 640x360 VP8 at 30 frames a second whether or not the guard keeps up,
each stream with its own clock. A viewer in a third process takes every score over a WebSocket. Latency runs from the
arrival of the decoded frame to the arrival of its score at the viewer; percentiles are over all scores of all streams,
warm-up excluded.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from guard.bench.machine import describe_machine
from guard.config import CallsConfig, GuardConfig, ServerConfig, StoreConfig
from guard.errors import SourceError
from guard.server import RunningGuard, running_guard

CALL = "bench"
_WARM_UP_SECONDS = 6.0
_PIPE_COLUMNS = 132
"""Width of the table where no terminal tells one: a figure that is cut short is none."""
_START_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class CpuSplit:
    """CPU of the guard's process per stream, in percent of one core."""

    receive_decode: float
    pixels: float
    engine: float
    rest: float


@dataclass(frozen=True, slots=True)
class LatencyRow:
    """Outcome for one number of streams; times in milliseconds.

    A machine that cannot keep up drops frames until no window is whole and no score comes: then there is no latency to
    tell, and the dropped frames tell why.
    """

    streams: int
    scores: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    fps: float | None
    received_frames: int
    dropped_frames: int
    cpu_per_stream: CpuSplit


@dataclass(slots=True)
class _Seen:
    """What the viewer has seen since the warm-up."""

    latencies_ms: list[float] = field(default_factory=list)
    fps: list[float] = field(default_factory=list)


def run_latency_bench(config: GuardConfig, counts: tuple[int, ...], seconds: float, *, as_json: bool) -> None:
    """Print one row for each number of streams. Raises GuardError or EngineError where the guard cannot start."""
    rows = [asyncio.run(_measure(config, count, seconds)) for count in counts]
    machine = describe_machine()
    if as_json:
        sys.stdout.write(json.dumps({"machine": machine, "rows": [asdict(row) for row in rows]}) + "\n")
        return
    table = Table(
        "streams", "p50 ms", "p95", "p99", "max", "fps", "dropped", "receive+decode", "pixels", "engine", "rest"
    )
    for row in rows:
        cpu = row.cpu_per_stream
        figures = (row.p50_ms, row.p95_ms, row.p99_ms, row.max_ms, row.fps)
        times = [f"{value:.1f}" if value is not None else "no score" for value in figures]
        shares = (cpu.receive_decode, cpu.pixels, cpu.engine, cpu.rest)
        table.add_row(
            str(row.streams),
            *times,
            f"{row.dropped_frames}/{row.received_frames}",
            *(f"{share:.1f} %" for share in shares),
        )
    console = Console(width=None if sys.stdout.isatty() else _PIPE_COLUMNS)
    console.print(f"frame arrival -> score at the viewer; CPU per stream in % of a core; {machine}, senders included")
    console.print(table)


async def _measure(config: GuardConfig, count: int, seconds: float) -> LatencyRow:
    seen = _Seen()
    with tempfile.TemporaryDirectory(prefix="guard-bench-") as folder:
        async with (
            running_guard(_bench_config(config, count, Path(folder))) as guard,
            _process(guard, "guard.bench.sender", guard.server.url, str(count)) as sender,
            _process(guard, "guard.bench.viewer", f"{guard.server.url.replace('http', 'ws', 1)}/ws/{CALL}") as viewer,
        ):
            await _wait_until_sending(sender)
            await _watch(viewer, _Seen(), _WARM_UP_SECONDS)
            before, frames_before, started = _cpu(guard), _frames(guard), time.monotonic()
            await _watch(viewer, seen, seconds)
            elapsed = time.monotonic() - started
            used = {stage: cpu - before[stage] for stage, cpu in _cpu(guard).items()}
            received, dropped = (now - then for now, then in zip(_frames(guard), frames_before, strict=True))
    if not received:
        raise SourceError("no frame arrived during the measurement; see 'guard doctor'")
    p50, p95, p99, worst = _percentiles(seen.latencies_ms)
    share = {stage: 100 * cpu / elapsed / count for stage, cpu in used.items()}
    return LatencyRow(
        streams=count,
        scores=len(seen.latencies_ms),
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        max_ms=worst,
        fps=float(np.mean(seen.fps)) if seen.fps else None,
        received_frames=received,
        dropped_frames=dropped,
        cpu_per_stream=CpuSplit(
            receive_decode=share["total"] - share["pixels"] - share["engine"] - share["rest"],
            pixels=share["pixels"],
            engine=share["engine"],
            rest=share["rest"],
        ),
    )


def _percentiles(latencies_ms: list[float]) -> tuple[float | None, ...]:
    """50th, 95th, 99th percentile and maximum; None where nothing was seen."""
    if not latencies_ms:
        return None, None, None, None
    return tuple(float(value) for value in np.percentile(latencies_ms, (50, 95, 99, 100)))


async def _wait_until_sending(sender: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(_START_SECONDS):
        line = await _lines(sender).readline()
    if line.strip() != b"sending":
        raise SourceError("the sending process has ended before it sent anything; see its message above")


async def _watch(viewer: asyncio.subprocess.Process, seen: _Seen, seconds: float) -> None:
    """Take down what the viewer sees for so long."""
    try:
        async with asyncio.timeout(seconds):
            while line := await _lines(viewer).readline():
                latency_ms, fps = line.split()
                seen.latencies_ms.append(float(latency_ms))
                seen.fps.append(float(fps))
    except TimeoutError:
        return
    raise SourceError("the viewer's process has ended before the measurement; see its message above")


def _lines(process: asyncio.subprocess.Process) -> asyncio.StreamReader:
    if process.stdout is None:
        raise SourceError("a helping process has no pipe; this system cannot start processes as needed")
    return process.stdout


def _cpu(guard: RunningGuard) -> dict[str, float]:
    """CPU seconds so far; `rest` is comparison, decision and event publishing."""
    stages = guard.monitor.pipeline.cpu
    return {
        "total": time.process_time(),
        "pixels": stages.pixels,
        "engine": stages.engine,
        "rest": stages.verify + guard.monitor.publishing_cpu_seconds,
    }


def _frames(guard: RunningGuard) -> tuple[int, int]:
    queues = [seat.frames for seat in guard.monitor.pipeline.seats.values()]
    return sum(queue.received for queue in queues), sum(queue.dropped for queue in queues)


@asynccontextmanager
async def _process(guard: RunningGuard, module: str, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A helper that gets the token on its input, and ends when the context does."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", module, *arguments, stdin=pipe, stdout=pipe)
    try:
        if process.stdin is not None:
            process.stdin.write(guard.token.encode() + b"\n")
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def _bench_config(config: GuardConfig, count: int, folder: Path) -> GuardConfig:
    """This machine only, a score event for every frame, and a template store of its own."""
    return config.model_copy(
        update={
            "server": ServerConfig(port=0, viewer_queue_events=4096),
            "calls": CallsConfig(loopback=True, max_participants=count, isolation="none"),
            "verify": config.verify.model_copy(update={"scores_per_second": 30.0}),
            "store": StoreConfig(path=folder / "templates.sqlite3"),
        }
    )
