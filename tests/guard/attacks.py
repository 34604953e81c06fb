"""A participant in virtual time who turns from a live picture to an attack; the engine is fooled all along.

Every picture has the brightness that the engine takes for the enrolled driver: only the guard's watch over the video
itself can keep it from `verified`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import av
import numpy as np
from numpy.typing import NDArray

from guard.calls.source import LatestFrames, ReceivedFrame
from guard.outcomes import Judged
from guard.pipeline import Pipeline
from guard.seat_key import SeatKey
from guard.verify.states import AbstainReason, DriverState

FPS = 30
SEAT = SeatKey("main", "alice")
TICK_SECONDS = 0.1
"""The monitor looks at the pipeline at least so often."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A picture on its way: when it arrives and what its time stamp says, in seconds."""

    arrival_seconds: float
    pts_seconds: float
    picture: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Said:
    """A verdict and when it came, in seconds."""

    seconds: float
    state: DriverState
    reason: AbstainReason | None
    alerts: tuple[str, ...]


class Participant:
    """Plays what is sent into a pipeline of one seat and writes down what the guard says."""

    def __init__(self, make_pipeline: Callable[[Callable[[], float]], Pipeline]) -> None:
        self.now = 0.0
        self.pipeline = make_pipeline(lambda: self.now)
        self.frames = LatestFrames(4)
        self.pipeline.add(SEAT, self.frames, self.now)
        self.said: list[Said] = []

    def play(self, sent: Iterable[Sent], until: float) -> list[Said]:
        """Let the pictures arrive, in order, and time pass until `until`; what the guard said meanwhile."""
        first = len(self.said)
        for item in sent:
            self._pass_time(item.arrival_seconds)
            image = av.VideoFrame.from_ndarray(item.picture, format="gray")
            self.frames.push(ReceivedFrame(image, item.pts_seconds, item.arrival_seconds, None, False))
            self._tick()
        self._pass_time(until)
        return self.said[first:]

    @property
    def state(self) -> DriverState:
        """What the guard holds of the participant now."""
        return self.said[-1].state

    def _pass_time(self, until: float) -> None:
        while self.now + TICK_SECONDS < until:
            self.now += TICK_SECONDS
            self._tick()
        self.now = max(self.now, until)

    def _tick(self) -> None:
        for outcome in self.pipeline.tick():
            if isinstance(outcome, Judged):
                verdict = outcome.verdict
                alerts = tuple(alert.severity for alert in verdict.alerts)
                self.said.append(Said(self.now, verdict.state, verdict.abstain_reason, alerts))
        self.pipeline.settle()


def steady(picture: Callable[[float], NDArray[np.uint8]], start: float, seconds: float, fps: float = FPS) -> list[Sent]:
    """Pictures at a constant rate with honest time stamps; `picture` is given the time since `start`."""
    times = (start + (n + 1) / fps for n in range(round(seconds * fps)))
    return [Sent(at, at, picture(at - start)) for at in times]


def last_verified(said: list[Said], start: float) -> float:
    """Seconds from `start` for which somebody looking at the dashboard saw `verified`; 0 where never."""
    end = 0.0
    for item, following in zip(said, [*said[1:], None], strict=True):
        if item.state is DriverState.VERIFIED:
            end = (following.seconds if following is not None else float("inf")) - start
    return end


def first_abstention(said: list[Said], reason: AbstainReason) -> float | None:
    """When the guard first gave this reason, in seconds; None where it never did."""
    return next((item.seconds for item in said if item.reason is reason), None)
