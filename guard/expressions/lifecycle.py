"""Whether expressions are tracked, and why not: what becomes of one tracker after the other. Pure; time is given."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from guard.calls.backoff import Backoff, BackoffPolicy

_BRAKE = BackoffPolicy(first_seconds=0.5, longest_seconds=30.0, stable_seconds=30.0)


class TrackerState(StrEnum):
    """Where the tracker is in its life."""

    OFF = "off"
    STARTING = "starting"
    RUNNING = "running"
    WAITING = "waiting"
    """It ended, and another is started after a while."""
    REFUSED = "refused"
    """It cannot run as things are; nothing but a new start of the guard changes that."""


@dataclass(frozen=True, slots=True)
class TrackerStatus:
    """reason: why nothing comes, one clause for people; None while the tracker runs. detail: what runs."""

    state: TrackerState
    reason: str | None = None
    detail: str = ""

    @property
    def text(self) -> str:
        """On one line, for people."""
        return f"{self.state}: {self.reason or self.detail}"


OFF = TrackerStatus(TrackerState.OFF, "tracking of expressions is off (expressions.enabled)")


class Lifecycle:
    """The states of a tracker that is kept running. One thread moves it, any may read `status`."""

    def __init__(self, rng: Random) -> None:
        self._backoff = Backoff(_BRAKE, rng)
        self._status = TrackerStatus(TrackerState.STARTING, "the tracker of expressions is starting")
        self._lock = threading.Lock()

    @property
    def status(self) -> TrackerStatus:
        """Now."""
        with self._lock:
            return self._status

    @property
    def is_running(self) -> bool:
        """Whether a frame that is offered now has a chance."""
        return self._status.state is TrackerState.RUNNING

    def starting(self) -> None:
        """Another process was started. Why the last one ended is still the reason: a tracker that ends each time at
        its start has one."""
        reason = self.status.reason or "the tracker of expressions is starting"
        self._become(TrackerStatus(TrackerState.STARTING, reason))

    def ready(self, now: float, detail: str) -> None:
        """It tracks from now (monotonic seconds) on."""
        self._backoff.joined(now)
        self._become(TrackerStatus(TrackerState.RUNNING, detail=detail))

    def ended(self, now: float, why: str) -> float:
        """It is gone; returns for how many seconds no other is started: longer each time, unless one ran for long."""
        seconds = self._backoff.lost(now)
        self._become(TrackerStatus(TrackerState.WAITING, why))
        return seconds

    def refused(self, why: str) -> None:
        """It cannot run here."""
        self._become(TrackerStatus(TrackerState.REFUSED, why))

    def stopped(self) -> None:
        """The guard ends."""
        self._become(OFF)

    def _become(self, status: TrackerStatus) -> None:
        with self._lock:
            self._status = status
