"""What one tick of the pipeline comes to: verdicts, steps of enrolments, changes of the engine."""

from __future__ import annotations

from dataclasses import dataclass

from engines.protocol import EngineStatus
from guard.calls.source import LatestFrames
from guard.media.latest_faces import LatestFaces
from guard.seat_key import SeatKey
from guard.verify.decision import Verdict
from guard.verify.enrolment import Enrolment
from guard.verify.template import Template


@dataclass(frozen=True, slots=True)
class StageSeconds:
    """Where the time of one frame went, in seconds, since its arrival."""

    arrival_seconds: float
    queue: float
    pixels: float
    engine: float
    verify: float


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict on one participant; `stages` is None where no frame was scored."""

    seat: SeatKey
    frames: LatestFrames | LatestFaces
    """Whose: somebody who takes the seat later has another queue."""
    verdict: Verdict
    pts_seconds: float
    valid_fraction: float
    fps: float
    stages: StageSeconds | None


@dataclass(frozen=True, slots=True)
class EnrolmentMoved:
    """A running enrolment has got further, or has ended with `template` or with `failure`."""

    seat: SeatKey
    enrolment: Enrolment
    progress: float
    template: Template | None = None
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class EngineChanged:
    """The engine goes on otherwise than before: its backend failed, another took over, and all windows start anew."""

    status: EngineStatus


Outcome = Judged | EnrolmentMoved | EngineChanged
