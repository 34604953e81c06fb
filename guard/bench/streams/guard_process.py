"""The guard that is measured, alone in a process of its own: `python -m guard.bench.streams.guard_process`.

Everything is the product but what only measures: every verdict's age is noted in the moment in which it is handed over
to be sent, and CPU time is read thread by thread.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from engines.model_folder import read_model_folder
from engines.person_models.folder import PERSON_MODEL, read_person_manifest
from engines.protocol import EngineSpec
from engines.registry import find_model
from guard import server
from guard.bench.child import Answer, run_child
from guard.bench.process_cpu import cpu_seconds
from guard.bench.streams.null_engine import NullEngine
from guard.bench.streams.stage_cpu import StageCpu
from guard.config import CallsConfig, GuardConfig, PersonModelsConfig, ServerConfig, StoreConfig
from guard.expressions.front_end import TrackerCounts
from guard.outcomes import Judged, Outcome
from guard.runtime import make_witnesses
from guard.server import RunningGuard, running_guard
from guard.verify.store import TemplateStore
from guard.verify.template import CONSENT_STATEMENT, CONSENT_TEXT_VERSION, ConsentRecord, Template, WitnessPart

CALL = "bench"
_DECODER_THREADS = "video-decoder"
"""Names of aiortc's decoder threads."""
_PIPELINE_THREAD, _HAND_OVER = "_thread", "_hand_over"
_TEMPLATE_WINDOWS = 10


@dataclass(frozen=True, slots=True)
class GuardJob:
    """How the guard is to run. streams: how many it must admit. with_engine: else one that computes nothing.

    isolated: video is received in worker processes. expressions: whether they are tracked, whatever `config` says.
    """

    config: GuardConfig
    folder: Path
    streams: int
    with_engine: bool
    isolated: bool
    expressions: bool = False


@dataclass(frozen=True, slots=True)
class GuardAddress:
    """Where streams and viewers go, and with which tokens. engine: what runs, for people."""

    url: str
    token: str
    join_token: str
    engine: str


@dataclass(frozen=True, slots=True)
class GuardSample:
    """What happened since the mark, and CPU seconds by stage.

    scored, received, dropped: frames, by participant. latencies_ms: from a decoded frame's arrival to its verdict.
    tracked: what the tracker of expressions did, where there is one. witness_cpu_seconds: by witness.
    """

    seconds: float
    cpu: StageCpu
    scored: dict[str, int]
    received: dict[str, int]
    dropped: dict[str, int]
    latencies_ms: list[float]
    tracked: TrackerCounts | None = None
    witness_cpu_seconds: dict[str, float] = field(default_factory=dict)


JOB: TypeAdapter[GuardJob] = TypeAdapter(GuardJob)
ADDRESS: TypeAdapter[GuardAddress] = TypeAdapter(GuardAddress)
SAMPLE: TypeAdapter[GuardSample] = TypeAdapter(GuardSample)


class _Meter:
    """Counts from `mark` on."""

    def __init__(self, guard: RunningGuard) -> None:
        self._guard = guard
        self._latencies_ms: list[float] = []
        self._scored: Counter[str] = Counter()
        thread = getattr(guard.monitor, _PIPELINE_THREAD)
        hand_over: Callable[[list[Outcome]], None] = getattr(thread, _HAND_OVER)

        def noting(outcomes: list[Outcome]) -> None:
            hand_over(outcomes)
            now = time.monotonic()
            for outcome in outcomes:
                if isinstance(outcome, Judged) and outcome.stages is not None:
                    self._latencies_ms.append(1000 * (now - outcome.stages.arrival_seconds))
                    self._scored[outcome.seat.participant] += 1

        setattr(thread, _HAND_OVER, noting)
        self.mark()

    def mark(self) -> None:
        self._latencies_ms.clear()
        self._scored.clear()
        self._started, self._cpu, self._frames = time.monotonic(), self._read_cpu(), self._read_frames()
        self._tracked = self._read_tracked()
        self._witnesses = self._read_witnesses()

    def sample(self) -> GuardSample:
        frames = dict.fromkeys(self._read_frames(), (0, 0)) | self._frames
        return GuardSample(
            seconds=time.monotonic() - self._started,
            cpu=self._read_cpu() - self._cpu,
            scored={name: self._scored[name] for name in frames},
            received={name: now[0] - frames[name][0] for name, now in self._read_frames().items()},
            dropped={name: now[1] - frames[name][1] for name, now in self._read_frames().items()},
            latencies_ms=list(self._latencies_ms),
            tracked=self._tracked_since_the_mark(),
            witness_cpu_seconds={
                name: now - self._witnesses.get(name, 0.0) for name, now in self._read_witnesses().items()
            },
        )

    def _tracked_since_the_mark(self) -> TrackerCounts | None:
        now, before = self._read_tracked(), self._tracked
        return None if now is None or before is None else now - before

    def _read_tracked(self) -> TrackerCounts | None:
        expressions = self._guard.monitor.opinions.expressions
        return None if expressions is None else expressions.counts

    def _read_witnesses(self) -> dict[str, float]:
        opinions = self._guard.monitor.opinions
        witnesses, people = opinions.witnesses, opinions.person_models
        found = {} if witnesses is None else witnesses.cpu_seconds
        return found if people is None else {**found, PERSON_MODEL: people.costs.cpu_seconds}

    def _read_cpu(self) -> StageCpu:
        """Called on the event loop's thread."""
        stages, publish = self._guard.monitor.pipeline.cpu, self._guard.monitor.publishing_cpu_seconds
        workers = cpu_seconds(self._guard.workers.pids) if self._guard.workers is not None else 0.0
        return StageCpu(
            receive=time.thread_time() - publish,
            decode=sum(_thread_cpu(thread) for thread in threading.enumerate() if thread.name == _DECODER_THREADS),
            pixels=stages.pixels,
            engine=stages.engine,
            verify=stages.verify,
            publish=publish,
            workers=workers,
            total=time.process_time() + workers,
        )

    def _read_frames(self) -> dict[str, tuple[int, int]]:
        seats = self._guard.monitor.pipeline.seats.values()
        return {seat.key.participant: (seat.frames.received, seat.frames.dropped) for seat in seats}


def _thread_cpu(thread: threading.Thread) -> float:
    return 0.0 if thread.ident is None else time.clock_gettime(time.pthread_getcpuclockid(thread.ident))


@asynccontextmanager
async def _guarding(line: bytes) -> AsyncIterator[Mapping[str, Answer]]:
    job = JOB.validate_json(line)
    config = job.config.model_copy(
        update={
            "server": ServerConfig(port=0),
            "calls": CallsConfig(
                loopback=True,
                max_participants=job.streams,
                isolation="process" if job.isolated else "none",
                streams_per_worker=job.config.calls.streams_per_worker,
            ),
            "store": StoreConfig(path=job.folder / f"templates-{time.time_ns()}.sqlite3"),
            "expressions": job.config.expressions.model_copy(update={"enabled": job.expressions}),
            "person_models": job.config.person_models if job.expressions else PersonModelsConfig(),
        }
    )
    spec = read_model_folder(find_model(config.engine.model)).spec
    _enrol_everybody(config, spec, job.streams)
    if not job.with_engine:
        setattr(server, "make_engine", lambda _config: NullEngine(spec))  # noqa: B010 - a process for this purpose
    async with running_guard(config) as guard:
        meter, status = _Meter(guard), guard.monitor.status().engine

        async def where() -> object:
            address = GuardAddress(
                guard.server.url, guard.token, guard.join_token, f"{status.name} {status.version} on {status.backend}"
            )
            return ADDRESS.dump_python(address)

        async def mark() -> object:
            meter.mark()
            return None

        async def sample() -> object:
            return SAMPLE.dump_python(meter.sample())

        async def expressions() -> object:
            tracking = guard.monitor.opinions.expressions
            return None if tracking is None else [tracking.status.state, tracking.status.reason]

        yield {"where": where, "mark": mark, "report": sample, "expressions": expressions}


def participant(number: int) -> str:
    """The name under which a stream joins."""
    return f"stream-{number}"


def _enrol_everybody(config: GuardConfig, spec: EngineSpec, streams: int) -> None:
    """Templates of nobody in particular: without one there is no comparison, which is part of the work."""
    store, rng, now = TemplateStore(config.store), np.random.default_rng(0), datetime.now(UTC)
    found = make_witnesses(config, spec)
    witnesses = [] if found is None else [loaded.witness.spec for loaded in found.witnesses]
    consent = ConsentRecord(CONSENT_TEXT_VERSION, CONSENT_STATEMENT, "the bench", now)
    for number in range(streams):
        parts = [WitnessPart(each.name, _rows(rng, each.embedding_size), each.model_sha256) for each in witnesses]
        if config.person_models.folder is not None:
            parts.append(_person_model(config.person_models.folder))
        rows = _rows(rng, spec.embedding_size)
        store.put(Template(participant(number), rows, spec.model_sha256, now, consent, tuple(parts)))


def _person_model(folder: Path) -> WitnessPart:
    """Of nobody: asking it takes as long."""
    manifest = read_person_manifest(folder.expanduser())
    return WitnessPart(PERSON_MODEL, np.zeros((1, manifest.weights), np.float32), manifest.model_sha256)


def _rows(rng: np.random.Generator, size: int) -> NDArray[np.float32]:
    rows = rng.standard_normal((_TEMPLATE_WINDOWS, size)).astype(np.float32)
    unit: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


if __name__ == "__main__":
    run_child(_guarding)
