"""A call that the guard joins by itself: one protocol for every kind, and the loop that stays in the call."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from guard.calls.backoff import Backoff
from guard.errors import JoinError

logger = logging.getLogger(__name__)


class Track(Protocol):
    """The video of one participant, as far as a source tells (`ReceivedStream` is one)."""

    @property
    def participant(self) -> str:
        """The seat's name."""

    @property
    def frames(self) -> int:
        """Decoded frames so far."""

    @property
    def silent_seconds(self) -> float:
        """Seconds without a frame."""


class SourceState(Enum):
    """Where a source is."""

    JOINING = "joining"
    JOINED = "joined"
    WAITING = "waiting"
    """The call was lost or could not be joined; there will be another attempt."""
    FAILED = "failed"
    """Given up for good: another attempt cannot help."""
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class SourceStats:
    """What a source has been through."""

    state: SourceState
    attempts: int = 0
    joins: int = 0
    """Attempts that were successful."""
    why: str | None = None
    """Why it is waiting, has failed, or is over."""
    retry_seconds: float | None = None
    """While waiting: how long from the moment that the waiting began."""


class CallSource(Protocol):
    """Hands the video of a call to a `CallListener`, and comes back by itself when the call is lost.

    Lives on one event loop. Every participant gets one `participant_left` per `participant_joined`.
    """

    async def connect(self) -> None:
        """Begin to join, and return at once; losses from here on are the source's own affair."""

    @property
    def tracks(self) -> Sequence[Track]:
        """Whose video is received now."""

    def stats(self) -> SourceStats:
        """Where the source is, and how it got there."""

    async def wait_ended(self) -> None:
        """Return after `close`; raises JoinError where the source gives up for good."""

    async def close(self) -> None:
        """Leave the call in bounded time. After it nothing is handed over any more."""


class Visit(Protocol):
    """One stay in a call, from joining to its end. Used once."""

    @property
    def tracks(self) -> Sequence[Track]:
        """Whose video is received now."""

    async def run(self, joined: Callable[[], None]) -> str:
        """Join, call `joined` when that went well, stay, and return why the call is over.

        However it ends, also by cancellation, nothing of it is left when it returns or raises. Raises JoinError where
        the call cannot be joined.
        """


class RejoiningSource:
    """The `CallSource` of every call: makes one visit after the other, with growing waits between them.

    once: there is nothing to come back to after the first successful visit (a recording).
    """

    def __init__(
        self,
        make_visit: Callable[[], Visit],
        backoff: Backoff,
        on_change: Callable[[SourceStats], None] = lambda _stats: None,
        *,
        once: bool = False,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._make_visit = make_visit
        self._backoff = backoff
        self._on_change = on_change
        self._once = once
        self._now = now
        self._sleep = sleep
        self._visit: Visit | None = None
        self._attempts = 0
        self._joins = 0
        self._stats = SourceStats(SourceState.CLOSED)
        self._staying: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        """Begin to join, and return at once."""
        if self._staying is None:
            self._staying = asyncio.create_task(self._stay(), name="call source")

    @property
    def tracks(self) -> Sequence[Track]:
        """Whose video is received now."""
        return self._visit.tracks if self._visit is not None else ()

    def stats(self) -> SourceStats:
        """Where the source is, and how it got there."""
        return self._stats

    async def wait_ended(self) -> None:
        """Return after `close`; raises JoinError where another attempt cannot help."""
        if self._staying is not None:
            await asyncio.wait({self._staying})
            if not self._staying.cancelled():
                self._staying.result()

    async def close(self) -> None:
        """Leave the call; bounded by what the visit takes to leave."""
        if self._staying is not None:
            self._staying.cancel()
            await asyncio.wait({self._staying})
        self._enter(SourceState.CLOSED)

    async def _stay(self) -> None:
        while True:
            why, at_least = await self._visit_once()
            if self._once and self._joins > 0:
                self._enter(SourceState.CLOSED, why)
                await asyncio.Event().wait()
            wait_seconds = self._backoff.lost(self._now(), at_least)
            self._enter(SourceState.WAITING, why, wait_seconds)
            await self._sleep(wait_seconds)

    async def _visit_once(self) -> tuple[str, float]:
        """One attempt: why it is over, and how long the server asks to be left alone."""
        self._attempts += 1
        self._enter(SourceState.JOINING)
        try:
            self._visit = self._make_visit()
            return await self._visit.run(self._note_joined), 0.0
        except JoinError as error:
            if not error.retryable:
                self._enter(SourceState.FAILED, str(error))
                raise
            return str(error), error.retry_after_seconds
        except Exception:
            # Whatever a call made the guard trip over, the next attempt may go well; the log has it.
            logger.exception("a visit to a call failed on an error")
            return "the guard had an internal error", 0.0
        finally:
            self._visit = None

    def _note_joined(self) -> None:
        self._joins += 1
        self._backoff.joined(self._now())
        self._enter(SourceState.JOINED)

    def _enter(self, state: SourceState, why: str | None = None, retry_seconds: float | None = None) -> None:
        self._stats = SourceStats(state, self._attempts, self._joins, why, retry_seconds)
        self._on_change(self._stats)
