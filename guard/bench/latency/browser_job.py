"""What the bench and the process that drives a browser tell each other; imports no browser."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from guard.bench.clock_tie import ClockTie
from guard.bench.latency.traces import PaintedScore, SentFrame

MODULE = "guard.bench.latency.chromium_camera"


@dataclass(frozen=True, slots=True)
class BrowserJob:
    """clip: what the camera shows. whip_url, token, dashboard_url: of the guard. plain_url: of the plain sink."""

    clip: Path
    whip_url: str
    token: str
    dashboard_url: str
    plain_url: str


@dataclass(frozen=True, slots=True)
class BrowserReport:
    """On the clock of this process. clocks: how those of the pages stood to it."""

    camera: tuple[SentFrame, ...]
    painted: tuple[PaintedScore, ...]
    clocks: dict[str, ClockTie]


JOB: TypeAdapter[BrowserJob] = TypeAdapter(BrowserJob)
REPORT: TypeAdapter[BrowserReport] = TypeAdapter(BrowserReport)
