"""Whether a guard stays as it is for half an hour, while people come and go.

    python -m tests.bench.soak --minutes 30 --streams 3 --json soak.json --plot soak.png

The guard runs in a process of its own, with the shipped engine; people with encoded talking heads are in a second one
and join or leave every few seconds (`tests.bench.soak_crowd`); this process watches the scores. Memory, files and
threads are those of the guard and of its workers. Memory is flat where the fitted line stays within 5 % from the end of
the warm-up to the end, descriptors, threads and tasks where the medians of the first and the last quarter after the
warm-up differ by less than what one participant takes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import pickle
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from guard.bench.clip import FPS, encode_clip, numbered, puppet_pictures
from guard.bench.machine import describe_machine
from guard.config import CallsConfig
from guard.errors import ServerError
from guard.serve.client import follow
from guard.serve.events import ScoreEvent
from tests.guard_process import GuardProcess, guard_process

CHURN_SECONDS = 5.0
_SAMPLE_SECONDS = 3.0
_CLIP_SECONDS = 8.0
_MEMORY_SHARE = 0.05
_ONE_PARTICIPANT = {"descriptors": 8, "threads": 3, "tasks": 12}


@dataclass(frozen=True, slots=True)
class Sample:
    """The guard at one moment of the soak. Latency is from a decoded frame's arrival to its score's arrival here."""

    seconds: float
    rss_mb: float
    guard_rss_mb: float
    """The guard's share of that; the rest is its workers'."""
    workers: int
    descriptors: int
    threads: int
    tasks: int
    gc_objects: int
    participants: int
    latency_ms: float | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """How much changed from the end of the warm-up to the end."""

    memory_change: float
    """Relative, by the fitted line."""
    guard_memory_mb: float
    workers_memory_mb: float
    """What of it the line of each gains or loses."""
    descriptors_change: float
    threads_change: float
    tasks_change: float
    is_flat: bool


def judge(samples: list[Sample], warm_up_seconds: float) -> Verdict:
    """Judge what came after the warm-up. Raises ValueError where that is too little to tell."""
    kept = [sample for sample in samples if sample.seconds >= warm_up_seconds]
    if len(kept) < 8:
        raise ValueError("too few samples after the warm-up; let it run for longer")
    gained_mb, start_mb = _line(kept, [sample.rss_mb for sample in kept])
    guard_mb, _ = _line(kept, [sample.guard_rss_mb for sample in kept])
    memory = gained_mb / start_mb
    changes = {name: _change(kept, name) for name in _ONE_PARTICIPANT}
    flat = abs(memory) <= _MEMORY_SHARE and all(
        abs(change) < _ONE_PARTICIPANT[name] for name, change in changes.items()
    )
    return Verdict(
        memory, guard_mb, gained_mb - guard_mb, changes["descriptors"], changes["threads"], changes["tasks"], flat
    )


def _line(kept: list[Sample], values: list[float]) -> tuple[float, float]:
    """What the fitted line gains from the first sample to the last, and where it starts."""
    seconds = np.array([sample.seconds for sample in kept])
    slope, start = np.polyfit(seconds - seconds[0], values, 1)
    return float(slope * (seconds[-1] - seconds[0])), float(start)


def _change(kept: list[Sample], name: str) -> float:
    values = [float(getattr(sample, name)) for sample in kept]
    quarter = len(values) // 4
    return statistics.median(values[-quarter:]) - statistics.median(values[:quarter])


class _Latency:
    """The newest scores' latencies."""

    def __init__(self) -> None:
        self._fresh_ms: list[float] = []

    async def watch(self, guard: GuardProcess) -> None:
        try:
            async for _, event in follow(guard.url, token=guard.token, call="soak"):
                if isinstance(event, ScoreEvent) and event.latency is not None:
                    self._fresh_ms.append(event.latency.total_ms + 1000 * (time.time() - event.time.timestamp()))
        except ServerError:
            return  # the guard is being stopped

    def take(self) -> float | None:
        fresh, self._fresh_ms = self._fresh_ms, []
        return statistics.median(fresh) if fresh else None


async def soak(clip: Path, arguments: argparse.Namespace) -> tuple[list[Sample], float | None, list[str]]:
    """Samples, how long the guard took to stop in the end, and where Python's memory grew, if that was traced."""
    growth: list[str] = []
    settings = {
        "GUARD_CALLS__LOOPBACK": "true",
        "GUARD_CALLS__ISOLATION": arguments.isolation,
        "GUARD_CALLS__MAX_PARTICIPANTS": "16",
        "GUARD_CALLS__FROZEN_SECONDS": "10",
        "GUARD_STORE__PATH": str(clip.with_name("templates.sqlite3")),
    }
    async with guard_process(settings) as guard:
        crowd = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.bench.soak_crowd", guard.url, str(arguments.streams)),
            *(str(CHURN_SECONDS), str(clip)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
        )
        assert crowd.stdin is not None
        crowd.stdin.write(guard.join_token.encode() + b"\n")
        latency = _Latency()
        watching = asyncio.create_task(latency.watch(guard))
        try:
            samples = await _sample(guard, crowd, latency, arguments, growth)
        finally:
            watching.cancel()
            if crowd.returncode is None:
                crowd.terminate()
            await crowd.wait()
        await guard.stop()
    return samples, guard.stop_seconds, growth


async def _sample(
    guard: GuardProcess,
    crowd: asyncio.subprocess.Process,
    latency: _Latency,
    arguments: argparse.Namespace,
    growth: list[str],
) -> list[Sample]:
    samples: list[Sample] = []
    started = time.monotonic()
    traced = False
    while (elapsed := time.monotonic() - started) < 60 * arguments.minutes:
        await asyncio.sleep(_SAMPLE_SECONDS)
        assert crowd.returncode is None, "the people's process has ended; see its message above"
        if arguments.trace and not traced and elapsed > arguments.warm_up:
            traced = True
            await guard.ask("trace")
        reading = await guard.read()
        samples.append(
            Sample(
                seconds=time.monotonic() - started,
                rss_mb=reading.total_rss_bytes / 1e6,
                guard_rss_mb=reading.rss_bytes / 1e6,
                workers=len(reading.workers),
                descriptors=reading.total_descriptors,
                threads=reading.total_threads,
                tasks=reading.tasks,
                gc_objects=reading.gc_objects,
                participants=len(reading.participants),
                latency_ms=latency.take(),
            )
        )
        if len(samples) % 20 == 0:
            print(samples[-1], flush=True)  # noqa: T201
    if traced:
        growth.extend(await guard.ask("top"))
    return samples


def plot(samples: list[Sample], path: Path, title: str) -> None:
    """Memory, descriptors, threads, tasks and latency over time."""
    from matplotlib.figure import Figure

    minutes = [sample.seconds / 60 for sample in samples]
    figure = Figure(figsize=(10, 8), layout="constrained")
    memory, counts, delay = figure.subplots(3, 1, sharex=True)
    memory.plot(minutes, [sample.rss_mb for sample in samples], label="guard and workers")
    memory.plot(minutes, [sample.guard_rss_mb for sample in samples], label="guard")
    memory.legend(loc="lower right")
    memory.set_ylabel("RSS, MB")
    memory.set_ylim(bottom=0)
    for name in ("descriptors", "threads", "tasks", "participants"):
        counts.plot(minutes, [getattr(sample, name) for sample in samples], label=name, linewidth=1)
    counts.legend(loc="upper left")
    known = [(minute, sample.latency_ms) for minute, sample in zip(minutes, samples, strict=True) if sample.latency_ms]
    if known:
        delay.plot(*zip(*known, strict=True), linewidth=1)
    delay.set_ylabel("frame to score, ms")
    delay.set_xlabel("minutes")
    figure.suptitle(title, size=8)
    figure.savefig(path, dpi=100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--streams", type=int, default=3)
    parser.add_argument("--warm-up", type=float, default=120.0, metavar="SECONDS")
    default = str(CallsConfig.model_fields["isolation"].default)
    parser.add_argument("--isolation", choices=("process", "none"), default=default)
    parser.add_argument("--trace", action="store_true", help="say where the guard's own Python memory grew (slows it)")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="guard-soak-") as folder:
        clip = Path(folder, "clip")
        clip.write_bytes(pickle.dumps(encode_clip(numbered(islice(puppet_pictures()(0), round(_CLIP_SECONDS * FPS))))))
        samples, stop_seconds, growth = asyncio.run(soak(clip, arguments))
    verdict = judge(samples, arguments.warm_up)
    command = f"python -m tests.bench.soak --minutes {arguments.minutes:g} --streams {arguments.streams}"
    report = {
        "command": f"{command} --isolation {arguments.isolation}",
        "machine": describe_machine(),
        "warm_up_seconds": arguments.warm_up,
        "churn_seconds": CHURN_SECONDS,
        "stop_seconds": stop_seconds,
        "verdict": asdict(verdict),
        "growth": growth,
        "samples": [asdict(sample) for sample in samples],
    }
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    if arguments.plot:
        plot(samples, arguments.plot, f"{report['command']}; {report['machine']}")
    print(json.dumps({**report, "samples": len(samples)}, indent=1))  # noqa: T201
    sys.exit(0 if verdict.is_flat else 1)


if __name__ == "__main__":
    main()
