"""When the pipeline's thread gets up: for a batch of frames, not for every one of them.

128 cameras send nearly 4,000 frames a second; a thread that got up for each would look around among all seats 4,000
times to find one frame. It is told only of what lets it get up earlier than it meant to:

    nothing new            it sleeps for as long as the pipeline allows
    a first frame          it gets up when that frame has waited as long as the engine likes frames to wait
    enough for a batch     it gets up at once
    an order               it gets up at once
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock


@dataclass(frozen=True, slots=True)
class Pause:
    """How long the pipeline may be left alone.

    seconds: whatever comes. hold_seconds: after the first new frame. frames: until so many new ones are there, each of
    another seat.
    """

    seconds: float
    hold_seconds: float
    frames: int


class WakeRule:
    """The rule, without thread and clock: `now` is in seconds on one that never runs back."""

    def __init__(self) -> None:
        self._pause: Pause | None = None
        self._begun_seconds = 0.0
        self._frames = 0
        self._first_seconds = math.inf
        self._rung = False

    def begin(self, pause: Pause, now: float) -> None:
        """The thread goes to sleep. What came since it last got up counts."""
        self._pause, self._begun_seconds = pause, now

    def frame(self, now: float) -> bool:
        """A seat has a frame again. True where the sleeping thread must be told, since it gets up earlier for it."""
        before = self.due_seconds
        self._frames += 1
        self._first_seconds = min(self._first_seconds, now)
        return self.due_seconds < before

    def ring(self) -> bool:
        """Something else is to be done. True where the sleeping thread must be told."""
        before = self.due_seconds
        self._rung = True
        return self.due_seconds < before

    @property
    def due_seconds(self) -> float:
        """When the thread gets up unless something comes; in the past: at once. Of no meaning while it is up."""
        if self._pause is None or self._rung or self._frames >= self._pause.frames:
            return -math.inf
        return min(self._begun_seconds + self._pause.seconds, self._first_seconds + self._pause.hold_seconds)

    def end(self) -> None:
        """The thread is up, and looks at everything that has come."""
        self._pause, self._frames, self._first_seconds, self._rung = None, 0, math.inf, False


class Wake:
    """One thread sleeps; any may call the rest, which never waits for it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rule = WakeRule()
        self._ruling = Lock()
        # The sleeper waits for it to be let go. A condition would make a lock like it for every sleep.
        self._bell = Lock()
        self._bell.acquire()

    def frame(self) -> None:
        """A seat that had no frame has one."""
        with self._ruling:
            if self._rule.frame(self._clock()):
                self._let_go()

    def ring(self) -> None:
        """Get up for something else."""
        with self._ruling:
            if self._rule.ring():
                self._let_go()

    def sleep(self, pause: Pause) -> None:
        """Until it is time to get up."""
        with self._ruling:
            self._rule.begin(pause, self._clock())
        while True:
            with self._ruling:
                left = self._rule.due_seconds - self._clock()
                if left <= 0:
                    self._rule.end()
                    return
            # Heard too late, it wakes the next sleep once for nothing.
            self._bell.acquire(timeout=left)

    def _let_go(self) -> None:
        with suppress(RuntimeError):  # it is let go already
            self._bell.release()
