"""A dashboard's stand-in, in a process of its own: `python -m guard.bench.viewer`.

Notes every score that it gets and when, and tells all of them at the end.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from pydantic import TypeAdapter
from websockets.asyncio.client import ClientConnection, connect

from guard.bench.child import Answer, run_child
from guard.serve.events import EVENT_ADAPTER, LatencyBreakdown, ScoreEvent


@dataclass(frozen=True, slots=True)
class ViewerJob:
    """url: of the call's WebSocket."""

    url: str
    token: str


@dataclass(frozen=True, slots=True)
class SeenScore:
    """A score that came. seen_at: `time.monotonic()`."""

    seq: int
    participant: str
    pts_seconds: float
    fps: float
    latency: LatencyBreakdown
    seen_at: float


JOB: TypeAdapter[ViewerJob] = TypeAdapter(ViewerJob)
SCORES: TypeAdapter[list[SeenScore]] = TypeAdapter(list[SeenScore])


@asynccontextmanager
async def _viewing(line: bytes) -> AsyncIterator[Mapping[str, Answer]]:
    job = JOB.validate_json(line)
    messages: list[tuple[float, str | bytes]] = []
    async with connect(job.url, additional_headers={"Authorization": f"Bearer {job.token}"}) as connection:
        reading = asyncio.create_task(_read(connection, messages))

        async def report() -> object:
            return SCORES.dump_python([*_scores(messages)], mode="json")

        yield {"report": report}
        reading.cancel()


async def _read(connection: ClientConnection, messages: list[tuple[float, str | bytes]]) -> None:
    async for message in connection:
        messages.append((time.monotonic(), message))  # noqa: PERF401 - read while it grows


def _scores(messages: list[tuple[float, str | bytes]]) -> list[SeenScore]:
    found = []
    for seen_at, message in messages:
        event = EVENT_ADAPTER.validate_json(message)
        if isinstance(event, ScoreEvent) and event.latency is not None and event.participant is not None:
            found.append(SeenScore(event.seq, event.participant, event.pts_seconds, event.fps, event.latency, seen_at))
    return found


if __name__ == "__main__":
    run_child(_viewing)
