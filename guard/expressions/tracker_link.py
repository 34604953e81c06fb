"""One tracker process as the guard sees it, from its start to its end. Blocks: for a thread that does nothing else."""

from __future__ import annotations

import os
from pathlib import Path

from guard.config import ExpressionsConfig
from guard.errors import ExpressionError
from guard.expressions.messages import (
    REPLY_BYTES,
    Order,
    OrderKind,
    Reply,
    ReplyKind,
    read_reply,
    write_order,
)
from guard.expressions.tracker_process import TrackerSettings
from guard.expressions.waiting_frames import WaitingFrame
from guard.sidecar import Sidecar, SidecarKind

START_SECONDS = 60.0
"""Loading MediaPipe takes 2 s, and a busy machine many times that."""
SILENT_SECONDS = 30.0
"""A tracker that has not answered for so long hangs: a frame takes it 10 ms, at idle priority on a full machine a
thousand times that."""
_BASE_BYTES, _TRACK_BYTES, _CORE_BYTES = 1 << 30, 96 << 20, 12 << 20
"""Address space: 0.6 GB with its libraries, 60 MB more with every participant, and a thread's stack for every core."""
_TRACKER = SidecarKind(
    "the tracker of expressions", "guard.expressions.tracker_process", "expressions.python", ExpressionError
)


class TrackerLink:
    """Starts a tracker when made, talks to it, and ends it. All but `kill` is for one thread."""

    def __init__(self, config: ExpressionsConfig, tracks: int) -> None:
        """tracks: how many participants at most. Raises ExpressionError where the process cannot be started."""
        landmarker = (config.landmarker or Path()).expanduser().absolute()
        self._number = 0
        self._process = Sidecar(
            _TRACKER,
            config.python,
            lambda channel: TrackerSettings(channel, os.getpid(), _memory_bytes(tracks), landmarker).arguments(),
        )

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def wait_ready(self) -> str:
        """Until it tracks; what runs and how it is confined. Raises ExpressionError where it cannot, or ends."""
        reply = self._reply(START_SECONDS)
        if reply.kind is ReplyKind.REFUSED:
            raise ExpressionError(reply.text or "the tracker refuses to run", retryable=False)
        if reply.kind is not ReplyKind.READY:
            raise self._process.broken()
        return reply.text

    def track(self, frame: WaitingFrame) -> Reply:
        """What the tracker sees in this frame. Raises ExpressionError where it has ended, hangs or talks nonsense."""
        self._number += 1
        self._send(Order(OrderKind.TRACK, self._number, frame.track, frame.seconds, frame.pixels.tobytes()))
        reply = self._reply(SILENT_SECONDS)
        if reply.kind is not ReplyKind.SAMPLE or reply.number != self._number:
            raise self._process.broken()
        return reply

    def forget(self, track: int) -> None:
        """This participant has left. Raises ExpressionError where the tracker has ended or hangs."""
        self._send(Order(OrderKind.FORGET, 0, track))

    def kill(self) -> None:
        """End the process, from any thread: who waits for it gets an ExpressionError."""
        self._process.kill()

    def close(self) -> None:
        """End the process and free what belongs to it."""
        self._process.close()

    def _send(self, order: Order) -> None:
        self._process.send(write_order(order), SILENT_SECONDS)

    def _reply(self, seconds: float) -> Reply:
        record = self._process.receive(REPLY_BYTES, seconds)
        try:
            return read_reply(record)
        except ValueError as error:
            raise self._process.broken() from error


def _memory_bytes(tracks: int) -> int:
    return _BASE_BYTES + tracks * (_TRACK_BYTES + (os.cpu_count() or 1) * _CORE_BYTES)
