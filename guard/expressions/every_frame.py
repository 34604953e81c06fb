"""Tracking for files: every frame that the live rate asks for is tracked, however long it takes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from guard.config import ExpressionsConfig
from guard.errors import ExpressionError
from guard.expressions.front_end import Link
from guard.expressions.lifecycle import TrackerState, TrackerStatus
from guard.expressions.sample import ExpressionSample
from guard.expressions.thinning import Thinning
from guard.expressions.tracker_link import TrackerLink
from guard.expressions.waiting_frames import WaitingFrame
from guard.media.front_end import FaceFrame
from guard.seat_key import SeatKey

_SEATS = 1


class EveryFrame:
    """Tracks the face of one seat (`ExpressionSource`); `close` it in the end. A tracker that ends is not replaced."""

    def __init__(
        self, config: ExpressionsConfig, make_link: Callable[[ExpressionsConfig, int], Link] = TrackerLink
    ) -> None:
        """Waits until the tracker is ready; what keeps it from running is told by `status`."""
        self._rate_hz = config.rate_hz
        self._thinning = Thinning(self._rate_hz)
        self._track = 1
        self._samples: list[ExpressionSample] = []
        self._link: Link | None = None
        self._status = TrackerStatus(TrackerState.STARTING, "the tracker of expressions is starting")
        try:
            self._link = make_link(config, _SEATS)
            self._status = TrackerStatus(TrackerState.RUNNING, detail=self._link.wait_ready())
        except ExpressionError as error:
            self._give_up(error)

    @property
    def status(self) -> TrackerStatus:
        """Whether expressions are tracked, and why not."""
        return self._status

    def offer(self, seat: SeatKey, face: FaceFrame) -> None:
        """Have the frame tracked where it is due, and wait for it."""
        if self._link is None or not self._thinning.takes(face.pts_seconds, face.arrival_seconds):
            return
        try:
            reply = self._link.track(WaitingFrame(self._track, face.pts_seconds, face.pixels))
        except ExpressionError as error:
            self._give_up(error)
            return
        numbers = np.array(reply.blendshapes, np.float32), np.array(reply.signals, np.float32)
        self._samples.append(ExpressionSample(seat, face.pts_seconds, *numbers, reply.found, face.arrival_seconds))

    def leave(self, seat: SeatKey) -> None:  # noqa: ARG002 - there is one
        """The next frame is somebody else's."""
        self._samples.clear()
        self._thinning = Thinning(self._rate_hz)
        try:
            if self._link is not None:
                self._link.forget(self._track)
        except ExpressionError as error:
            self._give_up(error)
        self._track += 1

    def take(self) -> list[ExpressionSample]:
        """What has come out since the last call."""
        samples, self._samples = self._samples, []
        return samples

    def close(self) -> None:
        """End the tracker."""
        if self._link is not None:
            self._link.close()
            self._link = None

    def _give_up(self, error: ExpressionError) -> None:
        self._status = TrackerStatus(TrackerState.REFUSED, str(error))
        self.close()
