"""A visit whose frames come from a blocking reader: it gets a thread of its own, and bounded time to end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from contextlib import closing, suppress
from threading import Event, Thread
from typing import TypeAlias

from guard.calls.source import CallListener, LatestFrames, ReceivedFrame
from guard.config import CallsConfig
from guard.errors import JoinError, SeatError

_LOG = logging.getLogger(__name__)

SILENT_SECONDS = 10.0
"""A server can keep a connection without video for ever: what counts is frames."""
_LOOK_SECONDS = 0.25
_SEAT_SECONDS = 5.0

Read: TypeAlias = Callable[[Event], Generator[ReceivedFrame, None, str]]
"""Yields frames, in bounded waits, until the event is set or there are no more; returns why there are none, or raises
SourceError (JoinError where nothing could be opened)."""


class ReadingVisit:
    """One stay with one participant. Their video is handed over from the reader's thread, which the queue allows.

    The listener hears of the participant at the first frame.
    """

    def __init__(self, read: Read, call: str, participant: str, config: CallsConfig, listener: CallListener) -> None:
        self._read = read
        self._call = call
        self.participant = participant
        self._close_seconds = config.close_seconds
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[str] = self._loop.create_future()
        self._stop = Event()
        self._has_seat = False
        self._frames = 0
        self._last_frame_seconds = time.monotonic()
        self._thread = Thread(target=self._run_thread, name=f"reader of {call}/{participant}", daemon=True)

    @property
    def frames(self) -> int:
        """Decoded frames so far."""
        return self._frames

    @property
    def silent_seconds(self) -> float:
        """Seconds since the last frame, or since the visit began."""
        return time.monotonic() - self._last_frame_seconds

    @property
    def is_reading(self) -> bool:
        """Whether the thread still runs; true for a while after a visit whose reader did not end in time."""
        return self._thread.is_alive()

    @property
    def tracks(self) -> Sequence[ReadingVisit]:
        """The participant, once a frame has come."""
        return (self,) if self._has_seat else ()

    async def run(self, joined: Callable[[], None]) -> str:
        """Hand over the video until it ends or falls silent; `joined` is called at the first frame."""
        why = "the guard left"
        self._last_frame_seconds = time.monotonic()
        self._thread.start()
        try:
            why = await self._watch(joined)
            return why
        except SeatError as error:
            raise JoinError(str(error)) from error
        finally:
            self._stop.set()
            await self._await_thread()
            if self._has_seat:
                self._has_seat = False
                self._listener.participant_left(self._call, self.participant, why)

    async def _watch(self, joined: Callable[[], None]) -> str:
        has_joined = False
        while not self._over.done():
            await asyncio.wait({self._over}, timeout=_LOOK_SECONDS)
            if self._frames > 0 and not has_joined:
                has_joined = True
                joined()
            if self.silent_seconds > SILENT_SECONDS:
                return f"no video for {SILENT_SECONDS:.0f} s"
        return self._over.result()

    async def _await_thread(self) -> None:
        await asyncio.wait({self._over}, timeout=self._close_seconds)
        if not self._over.done():
            self._over.cancel()
            _LOG.warning("the reader of %s/%s does not end in time; it is left behind", self._call, self.participant)
        elif not self._over.cancelled():
            self._over.exception()  # Heard already, or of no interest any more.

    def _run_thread(self) -> None:
        try:
            why = self._hand_over()
        except BaseException as error:  # noqa: BLE001 - whatever it is belongs to the visit
            self._tell(error)
        else:
            self._tell(why)

    def _hand_over(self) -> str:
        queue: LatestFrames | None = None
        with closing(self._read(self._stop)) as frames:
            while not self._stop.is_set():
                try:
                    frame = next(frames)
                except StopIteration as end:
                    return str(end.value)
                if queue is None:
                    queue = self._take_seat()
                queue.push(frame)
                self._last_frame_seconds = frame.arrival_seconds
                self._frames += 1
        return "the guard left"

    def _take_seat(self) -> LatestFrames:
        """From the loop's thread, on which the listener lives."""
        seat: Future[LatestFrames] = Future()
        self._loop.call_soon_threadsafe(self._ask_for_seat, seat)
        return seat.result(_SEAT_SECONDS)

    def _ask_for_seat(self, seat: Future[LatestFrames]) -> None:
        if self._stop.is_set():
            seat.cancel()
            return
        try:
            queue = self._listener.participant_joined(self._call, self.participant)
        except SeatError as error:
            seat.set_exception(error)
        else:
            self._has_seat = True
            seat.set_result(queue)

    def _tell(self, outcome: str | BaseException) -> None:
        # The loop may have ended while the thread was busy: then nobody wants to know.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._note_end, outcome)

    def _note_end(self, outcome: str | BaseException) -> None:
        if self._over.done():
            return
        if isinstance(outcome, str):
            self._over.set_result(outcome)
        elif isinstance(outcome, Exception):
            self._over.set_exception(outcome)
        else:
            self._over.cancel()
