"""The video of one participant: drained from its receiver, with exactly one `participant_left` per join."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial

from aiortc import RTCRtpReceiver
from aiortc.mediastreams import MediaStreamError

from guard.calls.receiver_tap import ReceiverTap
from guard.calls.source import CallListener, LatestFrames, ReceivedFrame
from guard.config import CallsConfig
from guard.errors import SeatError

_LOG = logging.getLogger(__name__)


class ReceivedStream:
    """Drains one receiver into the listener's queue from the moment that the transport is `connected`.

    Made before media flows. Everything runs on one event loop, but that pictures are pushed by the thread that decodes
    them. `end` may be called at any time, by anybody, any number of times; the first reason is the one that the
    listener hears.
    """

    def __init__(
        self,
        call: str,
        participant: str,
        receiver: RTCRtpReceiver,
        connected: asyncio.Event,
        config: CallsConfig,
        listener: CallListener,
        on_ended: Callable[[ReceivedStream, str], None],
    ) -> None:
        self.call = call
        self.participant = participant
        self.receiver = receiver
        self._config = config
        self._listener = listener
        self._on_ended = on_ended
        self._joined = False
        self._last_frame_seconds: float | None = None
        self._frames = 0
        self._next_look: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None
        self._tap = ReceiverTap(
            receiver,
            config,
            on_oversize=partial(self._end_without_waiting, "the video is larger than this guard accepts"),
        )
        self._receiving = asyncio.create_task(self._receive(connected), name=f"video of {call}/{participant}")
        self._receiving.add_done_callback(self._after_receiving)

    @property
    def frames(self) -> int:
        """Decoded frames so far."""
        return self._frames

    @property
    def silent_seconds(self) -> float:
        """Seconds since the last frame, or since the connection stood; 0 before that."""
        return 0.0 if self._last_frame_seconds is None else time.monotonic() - self._last_frame_seconds

    @property
    def is_stalled(self) -> bool:
        """True where the connection stands but no frame has come for the configured time."""
        return self.silent_seconds > self._config.stalled_seconds

    async def end(self, why: str) -> None:
        """End the stream and wait until the listener knows."""
        await asyncio.shield(self.end_soon(why))

    def end_soon(self, why: str) -> asyncio.Task[None]:
        """Start the end without waiting."""
        if self._ending is None:
            self._ending = asyncio.create_task(self._shut(why), name=f"end of {self.call}/{self.participant}")
        return self._ending

    async def _receive(self, connected: asyncio.Event) -> None:
        await connected.wait()
        self._last_frame_seconds = time.monotonic()
        frames = self._listener.participant_joined(self.call, self.participant)
        self._joined = True
        self._tap.decoder.open(partial(self._push, frames))
        self._look()
        try:
            # Pictures take another way; aiortc tells by the track that there will be no more.
            await self.receiver.track.recv()
        except MediaStreamError:
            return
        finally:
            if self._next_look is not None:
                self._next_look.cancel()

    def _push(self, frames: LatestFrames, frame: ReceivedFrame) -> None:
        """Called on the decoder's thread."""
        self._last_frame_seconds = frame.arrival_seconds
        self._frames += 1
        frames.push(frame)

    def _look(self) -> None:
        """End the stream where no frame has come for too long."""
        patience = self._config.frozen_seconds
        left = patience - self.silent_seconds
        if left > 0:
            self._next_look = asyncio.get_running_loop().call_later(left, self._look)
        else:
            self._end_without_waiting(f"no video for {patience:g} s")

    def _after_receiving(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            self._end_without_waiting("the video ended")
        elif isinstance(error, SeatError):
            _LOG.warning("the video of %s/%s is turned away: %s", self.call, self.participant, error)
            self._end_without_waiting(str(error))
        else:
            _LOG.error("receiving %s/%s stopped on an error", self.call, self.participant, exc_info=error)
            self._end_without_waiting("the guard had an internal error while receiving")

    def _end_without_waiting(self, why: str) -> None:
        self.end_soon(why)

    async def _shut(self, why: str) -> None:
        try:
            self._tap.close()
            self._receiving.cancel()
            await asyncio.wait({self._receiving})
            if self._joined:
                self._listener.participant_left(self.call, self.participant, why)
        finally:
            self._on_ended(self, why)
