"""One number of streams tried: a fresh guard, fresh senders, a viewer, a few seconds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from guard.bench import clip_sender, viewer
from guard.bench.child import ChildProcess, child_process
from guard.bench.clip import FPS
from guard.bench.clip_sender import SenderJob, SenderReport, Target
from guard.bench.distribution import Distribution, distribution
from guard.bench.streams import guard_process
from guard.bench.streams.guard_process import ADDRESS, CALL, GuardJob, GuardSample, participant
from guard.bench.streams.stage_cpu import StageCpu
from guard.config import GuardConfig
from guard.errors import SourceError

WARM_UP_SECONDS = 4.0
"""Windows are full, faces are found, connections have settled."""
LEAST_FPS = 0.98 * FPS
"""What counts as 30 frames a second: a window of a few seconds begins and ends between frames."""
MOST_P99_MS = 100.0


@dataclass(frozen=True, slots=True)
class Scene:
    """What all probes of a run have in common."""

    config: GuardConfig
    folder: Path
    clips: tuple[Path, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Probe:
    """What came of a number of streams. failure: why it does not count as carried, None where it does.

    least_fps: scored frames a second of the stream that had the fewest. latency: from a decoded frame's arrival to its
    verdict. cpu: of the guard, percent of one core for each stream. cpu_ms_per_frame: of the guard, per received frame.
    """

    streams: int
    failure: str | None
    sent_fps: float
    least_fps: float
    dropped: int
    latency: Distribution | None
    cpu: StageCpu | None
    cpu_ms_per_frame: float | None
    sender_percent_per_stream: float
    engine: str


async def probe(scene: Scene, streams: int, *, with_engine: bool, isolated: bool = False) -> Probe:
    """Try a number of streams. Raises GuardError where the guard cannot start at all."""
    job = GuardJob(scene.config, scene.folder, streams, with_engine, isolated)
    async with child_process(guard_process.__name__, guard_process.JOB.dump_json(job)) as guard:
        address = ADDRESS.validate_python(await guard.ask("where"))
        viewing = viewer.ViewerJob(f"{address.url.replace('http', 'ws', 1)}/ws/{CALL}", address.token)
        urls = [f"{address.url}/whip/{CALL}/{participant(number)}" for number in range(streams)]
        try:
            async with (
                child_process(viewer.__name__, viewer.JOB.dump_json(viewing)),
                sending(scene, [Target(url, address.join_token) for url in urls]) as sender,
            ):
                await asyncio.sleep(WARM_UP_SECONDS)
                before = float(await sender.ask("cpu"))
                await guard.ask("mark")
                await asyncio.sleep(scene.seconds)
                sample = guard_process.SAMPLE.validate_python(await guard.ask("report"))
                sent = clip_sender.REPORT.validate_python(await sender.ask("report"))
        except SourceError as error:
            return Probe(streams, str(error), 0.0, 0.0, 0, None, None, None, 0.0, address.engine)
    share = 100 * (sent.cpu_seconds - before) / sample.seconds / streams
    return judge(sample, sent_fps(sent, sample.seconds), share, streams, address.engine)


@asynccontextmanager
async def sending(scene: Scene, targets: list[Target]) -> AsyncIterator[ChildProcess]:
    """A process that sends a stream to every target while the context lasts."""
    job = SenderJob(tuple(targets), scene.clips)
    async with child_process(clip_sender.__name__, clip_sender.JOB.dump_json(job)) as sender:
        yield sender


def sent_fps(sent: SenderReport, seconds: float) -> float:
    """Frames a second of the slowest stream in the last `seconds` before the report."""
    newest = max(stream.handed_over[-1] for stream in sent.streams)
    return min(sum(at > newest - seconds for at in stream.handed_over) for stream in sent.streams) / seconds


def judge(sample: GuardSample, sent: float, sender_percent: float, streams: int, engine: str) -> Probe:
    """Whether these streams were carried. sent: frames a second of the slowest sending stream."""
    least_fps = min(sample.scored.values(), default=0) / sample.seconds if len(sample.scored) == streams else 0.0
    latency = distribution(sample.latencies_ms)
    received = sum(sample.received.values())
    return Probe(
        streams=streams,
        failure=_failure(sent, least_fps, latency),
        sent_fps=sent,
        least_fps=least_fps,
        dropped=sum(sample.dropped.values()),
        latency=latency,
        cpu=sample.cpu.percent_per_stream(sample.seconds, streams),
        cpu_ms_per_frame=1000 * sample.cpu.total / received if received else None,
        sender_percent_per_stream=sender_percent,
        engine=engine,
    )


def _failure(sent: float, least_fps: float, latency: Distribution | None) -> str | None:
    if sent < LEAST_FPS:
        return f"the sender got too little of the machine: {sent:.1f} fps sent"
    if latency is None:
        return "no frame was scored"
    if least_fps < LEAST_FPS:
        return f"{least_fps:.1f} fps"
    if latency.p99_ms > MOST_P99_MS:
        return f"p99 {latency.p99_ms:.0f} ms"
    return None
