"""The video of one participant of a LiveKit room, from the SDK's decoder to the listener's queue."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress

from guard.calls.livekit.picture import video_frame
from guard.calls.livekit.sdk import PictureEvent, PictureStream, Sdk
from guard.calls.media_time import MediaTime
from guard.calls.rate_limit import TokenBucket
from guard.calls.source import CallListener, LatestFrames, ReceivedFrame
from guard.config import CallsConfig
from guard.errors import SeatError

_LOG = logging.getLogger(__name__)


class RoomStream:
    """Drains one track, with exactly one `participant_left` per `participant_joined`. Lives on one event loop.

    `end` may be called any number of times; the first reason is the one that the listener hears. The SDK's stream
    never ends by itself while somebody waits for its next picture, so that it must be ended with its track.
    """

    def __init__(
        self,
        sdk: Sdk,
        stream: PictureStream,
        call: str,
        participant: str,
        config: CallsConfig,
        listener: CallListener,
        on_ended: Callable[[str], None],
    ) -> None:
        self._sdk = sdk
        self._stream = stream
        self._call = call
        self._participant = participant
        self._config = config
        self._listener = listener
        self._on_ended = on_ended
        self._frame_rate = TokenBucket(config.max_fps)
        self._time = MediaTime()
        self._queue: LatestFrames | None = None
        self._frames = 0
        self._last_frame_seconds = time.monotonic()
        self._gap = False
        self._why: str | None = None
        self._receiving = asyncio.create_task(self._receive(), name=f"video of {call}/{participant}")
        self._receiving.add_done_callback(self._after_receiving)

    @property
    def participant(self) -> str:
        """The seat's name."""
        return self._participant

    @property
    def frames(self) -> int:
        """Decoded frames so far."""
        return self._frames

    @property
    def silent_seconds(self) -> float:
        """Seconds since the last frame, or since the track was subscribed."""
        return time.monotonic() - self._last_frame_seconds

    def interrupted(self) -> None:
        """The connection broke and was resumed: what is missing in between is not known."""
        self._gap = self._frames > 0

    async def end(self, why: str) -> None:
        """Stop, free the SDK's stream in bounded time, and tell the listener."""
        self._why = self._why or why
        self._receiving.cancel()
        await asyncio.wait({self._receiving})
        closing = asyncio.ensure_future(self._stream.aclose())
        await asyncio.wait({closing}, timeout=self._config.close_seconds)
        if not closing.done():
            closing.cancel()
            _LOG.warning("the video stream of %s/%s does not close in time", self._call, self._participant)
        elif not closing.cancelled() and (error := closing.exception()) is not None:
            _LOG.warning("closing the video stream of %s/%s failed: %r", self._call, self._participant, error)
        if self._queue is not None:
            self._queue = None
            self._listener.participant_left(self._call, self._participant, self._why)

    async def _receive(self) -> None:
        patience = self._config.frozen_seconds
        clock = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(patience) as frozen:
                async for event in self._stream:
                    if not self._take(event):
                        return
                    frozen.reschedule(clock() + patience)
        except TimeoutError:
            self._why = self._why or f"no video for {patience:g} s"

    def _take(self, event: PictureEvent) -> bool:
        """Hand a picture over; False where the stream must end."""
        picture, now = event.frame, time.monotonic()
        if picture.width > self._config.max_width_px or picture.height > self._config.max_height_px:
            self._why = self._why or "the video is larger than this guard accepts"
            return False
        if not self._sdk.is_i420(picture) or not self._frame_rate.take(1, now):
            self._gap = True
            return True
        media_seconds, jumped = self._time.take(event.timestamp_us / 1e6, now - self._last_frame_seconds)
        image = video_frame(picture, event.rotation)
        if self._queue is None:
            self._queue = self._listener.participant_joined(self._call, self._participant)
        self._last_frame_seconds = now
        self._frames += 1
        self._queue.push(ReceivedFrame(image, media_seconds, time.monotonic(), None, self._gap or jumped))
        self._gap = False
        return True

    def _after_receiving(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, SeatError):
            _LOG.warning("the video of %s/%s is turned away: %s", self._call, self._participant, error)
            self._why = self._why or str(error)
        elif error is not None:
            _LOG.error("receiving %s/%s stopped on an error", self._call, self._participant, exc_info=error)
            self._why = self._why or "the guard had an internal error while receiving"
        with suppress(RuntimeError):  # the loop is closing
            self._on_ended(self._why or "the video ended")
