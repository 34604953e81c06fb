"""The guard's side of tracking: takes face frames, keeps a tracker running, and has samples ready to be taken.

A thread of its own talks to the tracker. Whoever offers or takes never waits: not for the tracker, nor for this thread.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import SystemRandom
from typing import Protocol

import numpy as np

from guard.config import ExpressionsConfig
from guard.errors import ExpressionError
from guard.expressions.lifecycle import Lifecycle, TrackerStatus
from guard.expressions.messages import Reply
from guard.expressions.sample import ExpressionSample
from guard.expressions.thinning import Thinning
from guard.expressions.tracker_link import TrackerLink
from guard.expressions.waiting_frames import WaitingFrame, WaitingFrames
from guard.media.front_end import FaceFrame
from guard.seat_key import SeatKey

logger = logging.getLogger(__name__)

_KEPT_SAMPLES = 64
"""For every participant, where nobody takes them."""


class Link(Protocol):
    """A tracker, as far as this thread needs it; `TrackerLink` is one."""

    @property
    def pid(self) -> int: ...

    def wait_ready(self) -> str: ...

    def track(self, frame: WaitingFrame) -> Reply: ...

    def forget(self, track: int) -> None: ...

    def kill(self) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class TrackerCounts:
    """Since the start. dropped: frames that waited in vain. cpu_seconds: of the tracker, for `tracked` frames."""

    tracked: int = 0
    found: int = 0
    dropped: int = 0
    cpu_seconds: float = 0.0

    def __sub__(self, earlier: TrackerCounts) -> TrackerCounts:
        return TrackerCounts(
            self.tracked - earlier.tracked,
            self.found - earlier.found,
            self.dropped - earlier.dropped,
            self.cpu_seconds - earlier.cpu_seconds,
        )


@dataclass(slots=True)
class _Stay:
    """One participant from their first face frame until they leave."""

    track: int
    thinning: Thinning


class ExpressionFrontEnd:
    """Tracks the faces of all seats (`ExpressionSource`). `start` it, and `stop` it in the end."""

    def __init__(
        self, config: ExpressionsConfig, seats: int, make_link: Callable[[ExpressionsConfig, int], Link] = TrackerLink
    ) -> None:
        """seats: participants at most."""
        self._config = config
        self._seats = seats
        self._make_link = make_link
        self._lifecycle = Lifecycle(SystemRandom())
        self._stays: dict[SeatKey, _Stay] = {}
        self._seat_of: dict[int, SeatKey] = {}
        self._waiting = WaitingFrames()
        self._left: deque[int] = deque()
        """Tracks that the tracker must forget."""
        self._samples: deque[ExpressionSample] = deque(maxlen=_KEPT_SAMPLES * seats)
        self._tracks = 0
        self._counts = TrackerCounts()
        self._changed = threading.Condition()
        """Guards everything above."""
        self._link: Link | None = None
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="guard-expressions", daemon=True)

    @property
    def status(self) -> TrackerStatus:
        """Whether expressions are tracked, and why not."""
        return self._lifecycle.status

    @property
    def counts(self) -> TrackerCounts:
        """What was done so far."""
        with self._changed:
            return self._counts

    @property
    def pid(self) -> int | None:
        """The tracker's process, while there is one."""
        link = self._link
        return None if link is None else link.pid

    def start(self) -> None:
        """Begin. What keeps a tracker from running is told by `status`, and is nobody else's trouble."""
        self._thread.start()

    def stop(self) -> None:
        """End the tracker and the thread."""
        with self._changed:
            self._stopping = True
            if self._link is not None:
                self._link.kill()
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()

    # --- ExpressionSource -----------------------------------------------------------------------------------------

    def offer(self, seat: SeatKey, face: FaceFrame) -> None:
        """Take a face frame, or leave it."""
        with self._changed:
            stay = self._stays.get(seat)
            if stay is None:
                self._tracks += 1
                stay = self._stays[seat] = _Stay(self._tracks, Thinning(self._config.rate_hz))
                self._seat_of[stay.track] = seat
            if not stay.thinning.takes(face.pts_seconds, face.arrival_seconds) or not self._lifecycle.is_running:
                return
            self._waiting.put(WaitingFrame(stay.track, face.pts_seconds, face.pixels, face.arrival_seconds))
            self._changed.notify()

    def leave(self, seat: SeatKey) -> None:
        """The participant has left."""
        with self._changed:
            stay = self._stays.pop(seat, None)
            if stay is None:
                return
            del self._seat_of[stay.track]
            self._waiting.forget(stay.track)
            kept = [sample for sample in self._samples if sample.seat != seat]
            self._samples.clear()
            self._samples.extend(kept)
            if self._link is not None:  # Else nobody holds anything of them.
                self._left.append(stay.track)
            self._changed.notify()

    def take(self) -> list[ExpressionSample]:
        """What has come out since the last call."""
        if not self._samples:
            return []
        with self._changed:
            samples = list(self._samples)
            self._samples.clear()
        return samples

    # --- the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping:
            self._lifecycle.starting()
            try:
                self._follow_one()
            except ExpressionError as error:
                self._after(error)
            except Exception:
                # Without this thread nothing would be tracked for good, and nobody told.
                logger.exception("tracking of expressions failed")
                self._after(ExpressionError("the guard had an internal error while tracking", retryable=True))
        self._lifecycle.stopped()

    def _follow_one(self) -> None:
        """From a tracker's start to its end, which is an ExpressionError unless the guard ends."""
        link = self._make_link(self._config, self._seats)
        try:
            with self._changed:
                self._link = link
                self._waiting.clear()
                self._left.clear()
                if self._stopping:
                    return
            detail = link.wait_ready()
            logger.info("expressions are tracked: %s", detail)
            self._lifecycle.ready(time.monotonic(), detail)
            while self._serve_next(link):
                pass
        finally:
            with self._changed:
                self._link = None
            link.close()

    def _serve_next(self, link: Link) -> bool:
        """Have the next frame tracked as soon as there is one; False where the guard ends."""
        with self._changed:
            while not (self._stopping or self._left or self._waiting):
                self._changed.wait()
            if self._stopping:
                return False
            left = list(self._left)
            self._left.clear()
            frame = self._waiting.next()
        for track in left:
            link.forget(track)
        if frame is not None:
            self._note(frame, link.track(frame))
        return True

    def _note(self, frame: WaitingFrame, reply: Reply) -> None:
        numbers = np.array(reply.blendshapes, np.float32), np.array(reply.signals, np.float32)
        with self._changed:
            before = self._counts
            self._counts = TrackerCounts(
                tracked=before.tracked + 1,
                found=before.found + reply.found,
                dropped=self._waiting.dropped,
                cpu_seconds=before.cpu_seconds + reply.cpu_seconds,
            )
            seat = self._seat_of.get(frame.track)
            if seat is not None:  # Else they have left meanwhile.
                sample = ExpressionSample(seat, frame.seconds, *numbers, reply.found, frame.arrival_seconds)
                self._samples.append(sample)

    def _after(self, error: ExpressionError) -> None:
        """Wait, as long as it takes for another tracker to make sense."""
        if self._stopping:
            return
        if error.retryable:
            seconds = self._lifecycle.ended(time.monotonic(), str(error))
            logger.warning("%s; another in %.1f s", error, seconds)
            until: float | None = time.monotonic() + seconds
        else:
            self._lifecycle.refused(str(error))
            logger.warning("expressions are not tracked: %s", error)
            until = None
        with self._changed:
            while not self._stopping and (until is None or time.monotonic() < until):
                self._changed.wait(None if until is None else max(until - time.monotonic(), 0.0))
