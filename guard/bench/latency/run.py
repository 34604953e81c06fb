"""One run: a fresh guard in this process, and whoever sends, looks on and serves as the measure in others."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TypeAlias

from guard.bench import clip_sender, plain_sink, viewer
from guard.bench.child import ChildProcess, child_process
from guard.bench.clip_sender import SenderJob, SentStream, Target
from guard.bench.clock_tie import ClockTie, join_ties
from guard.bench.latency import browser_job
from guard.bench.latency.browser_job import BrowserJob
from guard.bench.latency.findings import Counts, CpuSplit, LatencyRow, make_row
from guard.bench.latency.numbering import number_by_media_time
from guard.bench.latency.probe import FrameProbe
from guard.bench.latency.traces import PaintedScore, SentFrame, SentLog, Trace, plain_latencies_ms, trace_frames
from guard.bench.process_cpu import cpu_seconds
from guard.bench.viewer import SeenScore, ViewerJob
from guard.config import CallsConfig, GuardConfig, ServerConfig, StoreConfig
from guard.errors import SourceError
from guard.server import RunningGuard, running_guard

CALL = "bench"
WARM_UP_SECONDS = 6.0
_LATE_SECONDS = 1.0
"""How long scores of the last frames are waited for."""
_EVERY_FRAME_PER_SECOND = 10_000.0
_PLAIN_STREAM = "plain"
IN_PROCESS, IN_WORKERS = "none", "process"
"""Where the guard receives, as in `calls.isolation`."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What the sending process has noted: frames by participant, those of the plain sink, scores on a dashboard."""

    streams: Mapping[str, SentLog]
    plain: SentLog
    painted: tuple[PaintedScore, ...] = ()
    clocks: Mapping[str, ClockTie] | None = None


_AskSent: TypeAlias = "Callable[[], Awaitable[Sent]]"


@dataclass(frozen=True, slots=True)
class _Reading:
    """CPU seconds, and frames received and dropped, so far."""

    cpu: dict[str, float]
    received: int
    dropped: int


async def run_streams(
    config: GuardConfig, clips: tuple[Path, ...], streams: int, seconds: float, isolation: str
) -> LatencyRow:
    """Pre-encoded streams of an aiortc sender. Raises GuardError or EngineError."""
    async with _scene(config, streams, isolation) as scene:
        names = [f"stream-{number}" for number in range(streams)]
        urls = {name: f"{scene.guard.server.url}/whip/{CALL}/{name}" for name in names}
        plain_url = f"{scene.plain_url}/{_PLAIN_STREAM}"
        targets = [Target(url, scene.guard.token) for url in urls.values()]
        job = SenderJob((*targets, Target(plain_url, "none")), _clips_of(clips, streams))
        async with child_process(clip_sender.__name__, clip_sender.JOB.dump_json(job)) as sender:

            async def ask() -> Sent:
                report = clip_sender.REPORT.validate_python(await sender.ask("report"))
                logs = {stream.url: SentLog(_frames_of(stream)) for stream in report.streams}
                return Sent({name: logs[url] for name, url in urls.items()}, logs[plain_url])

            return await scene.measure("aiortc", {"sender": sender}, ask, seconds)


async def run_browser(config: GuardConfig, clip: Path, seconds: float) -> LatencyRow:
    """A Chromium with the clip as its camera, and the dashboard in another of its tabs. Raises GuardError.

    Received in this process: which frame is which is read off the pictures.
    """
    async with _scene(config, 1, IN_PROCESS) as scene:
        name = "chromium"
        job = BrowserJob(
            clip=clip,
            whip_url=f"{scene.guard.server.url}/whip/{CALL}/{name}",
            token=scene.guard.token,
            dashboard_url=f"{scene.guard.server.url}/?call={CALL}#token={scene.guard.token}",
            plain_url=f"{scene.plain_url}/{_PLAIN_STREAM}",
        )
        async with child_process(browser_job.MODULE, browser_job.JOB.dump_json(job)) as browser:

            async def ask() -> Sent:
                report = browser_job.REPORT.validate_python(await browser.ask("report"))
                log = SentLog(report.camera, report.clocks["camera page"].uncertainty_seconds)
                return Sent({name: log}, log, report.painted, report.clocks)

            return await scene.measure("Chromium", {"browser's driver": browser}, ask, seconds)


@dataclass(slots=True)
class _Scene:
    guard: RunningGuard
    probe: FrameProbe
    viewer: ChildProcess
    plain: ChildProcess
    plain_url: str
    streams: int
    isolation: str

    async def measure(
        self, sender: str, senders: Mapping[str, ChildProcess], ask: _AskSent, seconds: float
    ) -> LatencyRow:
        """Warm up, measure, and only then ask everybody what they have seen."""
        children = {**senders, "viewer": self.viewer, "plain sink": self.plain}
        ties = {name: await child.tie_clock() for name, child in children.items()}
        await asyncio.sleep(WARM_UP_SECONDS)
        before, start = self._read(), time.monotonic()
        await asyncio.sleep(seconds)
        after, end = self._read(), time.monotonic()
        await asyncio.sleep(_LATE_SECONDS)
        if after.received == before.received:
            raise SourceError("no frame arrived during the measurement; see 'guard doctor'")
        ties = {name: join_ties(ties[name], await child.tie_clock()) for name, child in children.items()}
        sent = await ask()
        scores = viewer.SCORES.validate_python(await self.viewer.ask("report"))
        plain = plain_sink.SAMPLE.validate_python(await self.plain.ask("report"))
        pictures = zip(plain.numbers[_PLAIN_STREAM], plain.array_at[_PLAIN_STREAM], strict=True)
        uncertainty = {**ties, **(sent.clocks or {})}
        return make_row(
            sender,
            self.isolation,
            self.streams,
            Counts(
                sent=sum(log.between(start, end) for log in sent.streams.values()),
                plain_sent=sent.plain.between(start, end),
                received=after.received - before.received,
                dropped=after.dropped - before.dropped,
            ),
            _cpu_split(before, after, end - start, self.streams),
            self._traces(sent, scores, start, end),
            plain_latencies_ms(sent.plain, pictures, start, end),
            {name: 1000 * tie.uncertainty_seconds for name, tie in uncertainty.items()},
        )

    def _traces(self, sent: Sent, scores: list[SeenScore], start: float, end: float) -> list[Trace]:
        arrived = self.probe.arrived()
        found = []
        for name, log in sent.streams.items():
            own = [score for score in scores if score.participant == name]
            frames = arrived.get(name, [])
            if self.isolation == IN_WORKERS:
                frames = number_by_media_time(frames, log.frames)
            found += trace_frames(log, frames, own, start, end, sent.painted)
        return found

    def _read(self) -> _Reading:
        monitor = self.guard.monitor
        pids = self.guard.workers.pids if self.guard.workers is not None else []
        stages, queues = monitor.pipeline.cpu, [seat.frames for seat in monitor.pipeline.seats.values()]
        return _Reading(
            cpu={
                "total": time.process_time(),
                "pixels": stages.pixels,
                "engine": stages.engine,
                "rest": stages.verify + monitor.publishing_cpu_seconds,
                "workers": cpu_seconds(pids),
            },
            received=sum(queue.received for queue in queues),
            dropped=sum(queue.dropped for queue in queues),
        )


@asynccontextmanager
async def _scene(config: GuardConfig, streams: int, isolation: str) -> AsyncIterator[_Scene]:
    with tempfile.TemporaryDirectory(prefix="guard-bench-") as folder:
        async with (
            running_guard(_bench_config(config, streams, isolation, Path(folder))) as guard,
            child_process(plain_sink.__name__, b"{}") as plain,
        ):
            probe = FrameProbe(guard.monitor)
            job = ViewerJob(f"{guard.server.url.replace('http', 'ws', 1)}/ws/{CALL}", guard.token)
            async with child_process(viewer.__name__, viewer.JOB.dump_json(job)) as looking_on:
                yield _Scene(guard, probe, looking_on, plain, str(await plain.ask("where")), streams, isolation)


def _frames_of(stream: SentStream) -> Iterator[SentFrame]:
    for i, (at, pts_seconds) in enumerate(zip_longest(stream.handed_over, stream.pts_seconds)):
        yield SentFrame(i % stream.clip_frames, at, pts_seconds)


def _clips_of(clips: tuple[Path, ...], streams: int) -> tuple[Path, ...]:
    """By turns, and the first stream's once more for the plain sink."""
    return (*(clips[number % len(clips)] for number in range(streams)), clips[0])


def _cpu_split(before: _Reading, after: _Reading, seconds: float, streams: int) -> CpuSplit:
    share = {stage: 100 * (cpu - before.cpu[stage]) / seconds / streams for stage, cpu in after.cpu.items()}
    return CpuSplit(
        receive_decode=share["total"] - share["pixels"] - share["engine"] - share["rest"],
        pixels=share["pixels"],
        engine=share["engine"],
        rest=share["rest"],
        workers=share["workers"],
    )


def _bench_config(config: GuardConfig, streams: int, isolation: str, folder: Path) -> GuardConfig:
    """This machine only, a score event for every frame, and a template store of its own."""
    return config.model_copy(
        update={
            "server": ServerConfig(port=0, viewer_queue_events=4096),
            "calls": CallsConfig(
                loopback=True,
                max_participants=streams,
                isolation=isolation,
                streams_per_worker=config.calls.streams_per_worker,
            ),
            "verify": config.verify.model_copy(update={"scores_per_second": _EVERY_FRAME_PER_SECOND}),
            "store": StoreConfig(path=folder / "templates.sqlite3"),
        }
    )
