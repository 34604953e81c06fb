"""One turn: a fresh guard with expressions on or off, fresh senders, a viewer, a few seconds."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from guard.bench import viewer
from guard.bench.child import ChildProcess, child_process
from guard.bench.clip_sender import Target
from guard.bench.streams import guard_process
from guard.bench.streams.guard_process import ADDRESS, CALL, GuardJob, participant
from guard.bench.streams.probe import Scene, sending
from guard.errors import SourceError
from guard.expressions.front_end import TrackerCounts
from guard.expressions.lifecycle import TrackerState

WARM_UP_SECONDS = 4.0
"""Windows are full, faces are found, connections have settled."""
_READY_SECONDS = 60.0
_LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn gave. latencies_ms: of every verdict, from its decoded frame's arrival.

    scored_fps: scored frames a second of each stream, on average. guard_cpu_ms: of the guard's own process for each
    received frame. tracked: what the tracker did, None where it is off. witness_cpu_ms: for each second of a
    participant's video, by witness.
    """

    with_expressions: bool
    seconds: float
    latencies_ms: tuple[float, ...]
    scored_fps: float
    dropped: int
    guard_cpu_ms: float
    tracked: TrackerCounts | None
    witness_cpu_ms: dict[str, float] = field(default_factory=dict)


async def take_turn(scene: Scene, streams: int, *, with_expressions: bool) -> Turn:
    """Measure once. Raises GuardError where the guard or its tracker cannot start, or nothing was scored."""
    job = GuardJob(scene.config, scene.folder, streams, with_engine=True, isolated=False, expressions=with_expressions)
    async with child_process(guard_process.__name__, guard_process.JOB.dump_json(job)) as guard:
        if with_expressions:
            await _wait_ready(guard)
        address = ADDRESS.validate_python(await guard.ask("where"))
        viewing = viewer.ViewerJob(f"{address.url.replace('http', 'ws', 1)}/ws/{CALL}", address.token)
        urls = [f"{address.url}/whip/{CALL}/{participant(number)}" for number in range(streams)]
        async with (
            child_process(viewer.__name__, viewer.JOB.dump_json(viewing)),
            sending(scene, [Target(url, address.join_token) for url in urls]),
        ):
            await asyncio.sleep(WARM_UP_SECONDS)
            await guard.ask("mark")
            await asyncio.sleep(scene.seconds)
            sample = guard_process.SAMPLE.validate_python(await guard.ask("report"))
    received = sum(sample.received.values())
    if not sample.latencies_ms or not received:
        raise SourceError("no frame was scored during the measurement; see 'guard doctor'")
    return Turn(
        with_expressions=with_expressions,
        seconds=sample.seconds,
        latencies_ms=tuple(sample.latencies_ms),
        scored_fps=sum(sample.scored.values()) / sample.seconds / streams,
        dropped=sum(sample.dropped.values()),
        guard_cpu_ms=1000 * sample.cpu.total / received,
        tracked=sample.tracked,
        witness_cpu_ms={
            name: 1000 * seconds / sample.seconds / streams for name, seconds in sample.witness_cpu_seconds.items()
        },
    )


async def _wait_ready(guard: ChildProcess) -> None:
    """Raises SourceError with the reason where no tracker comes up."""
    state, reason = TrackerState.STARTING, None
    for _ in range(round(_READY_SECONDS / _LOOK_SECONDS)):
        state, reason = await guard.ask("expressions")
        if state in (TrackerState.RUNNING, TrackerState.REFUSED):
            break
        await asyncio.sleep(_LOOK_SECONDS)
    if state != TrackerState.RUNNING:
        raise SourceError(f"expressions are not tracked: {reason}")
