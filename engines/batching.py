"""Which streams' frames go into the next engine step, and when it is due.

A device computes a batch of frames in hardly more time than one, so it pays to wait a little for other streams. All in
virtual time: `now` is an argument, in seconds on any clock that never runs back. No thread and no clock in here.

    offer(stream, frame) -> one waiting frame per stream, oldest first -> take(now) -> a batch for Engine.step
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from engines.errors import EngineInputError
from engines.protocol import Batching

Frame = TypeVar("Frame")


@dataclass(frozen=True, slots=True)
class Scheduled(Generic[Frame]):
    """A stream's frame in a batch."""

    stream: int
    frame: Frame
    continues: bool
    """False also where an earlier frame of the stream was dropped for this one."""
    offered_seconds: float
    """When this frame was offered."""


@dataclass(slots=True)
class BatchCounters:
    """Since the start. Every frame that was offered waits, was taken, or was dropped."""

    batches: int = 0
    offered: int = 0
    taken: int = 0
    dropped: int = 0
    """Replaced by a newer frame of its stream, or forgotten with it."""
    waiting_seconds: float = 0.0
    """Of all frames that were taken, together."""
    longest_wait_seconds: float = 0.0


@dataclass(slots=True)
class _Waiting(Generic[Frame]):
    frame: Frame
    continues: bool
    offered_seconds: float
    since_seconds: float
    """When the stream began to wait: when this frame came, or the first one that this one replaced."""


class BatchScheduler(Generic[Frame]):
    """Deadline batching over streams. One thread at a time may use it.

    The stream that has waited for longest goes first, and a frame that replaces another keeps its place: with more
    streams than fit into a batch each gets its turn. Offering, and taking one frame, cost O(1) whatever the number of
    streams.
    """

    def __init__(self) -> None:
        self._live: set[int] = set()
        self._waiting: dict[int, _Waiting[Frame]] = {}
        self.counters = BatchCounters()

    def join(self, stream: int) -> None:
        """A stream goes live: from now on a batch that could be complete waits for it. Harmless where it is live."""
        self._live.add(stream)

    def leave(self, stream: int) -> None:
        """A stream has ended; a frame of it that waits is dropped. Harmless where it is not live."""
        self._live.discard(stream)
        if self._waiting.pop(stream, None) is not None:
            self.counters.dropped += 1

    def waits(self, stream: int) -> bool:
        """True where a frame of this stream waits: another would replace it."""
        return stream in self._waiting

    def offer(self, stream: int, frame: Frame, continues: bool, now: float, *, came: float | None = None) -> None:
        """Take a live stream's new frame. The newest frame wins: one that still waits is dropped for it.

        came: when the frame was there to be offered, where that is before now: it has waited since.

        After a drop the frame never continues, however near the two are in time: a difference over a dropped frame
        covers two steps, and is no difference of consecutive frames. Raises EngineInputError for a stream that is not
        live.
        """
        if stream not in self._live:
            raise EngineInputError(f"stream {stream} is not live; call join(stream) first")
        self.counters.offered += 1
        replaced = self._waiting.get(stream)
        if replaced is None:
            self._waiting[stream] = _Waiting(frame, continues, now, now if came is None else min(came, now))
            return
        self.counters.dropped += 1
        # Assigning to a key that is there keeps its place in the order.
        self._waiting[stream] = _Waiting(frame, False, now, replaced.since_seconds)

    def due_seconds(self, batching: Batching) -> float | None:
        """When the next batch is to be taken: at once where this lies in the past; None where nothing waits."""
        if not self._waiting:
            return None
        oldest = next(iter(self._waiting.values())).since_seconds
        return oldest if self.missing(batching) <= 0 else oldest + batching.wait_seconds

    def missing(self, batching: Batching) -> int:
        """Frames of further streams that would make the next batch complete."""
        return min(len(self._live), batching.max_frames) - len(self._waiting)

    def take(self, now: float, batching: Batching) -> list[Scheduled[Frame]]:
        """The next batch, of at most `batching.max_frames` frames, each of another stream; empty where none is due."""
        due = self.due_seconds(batching)
        if due is None or now < due:
            return []
        batch = [self._pop_oldest(now) for _ in range(min(len(self._waiting), batching.max_frames))]
        self.counters.batches += 1
        return batch

    def _pop_oldest(self, now: float) -> Scheduled[Frame]:
        stream = next(iter(self._waiting))
        waiting = self._waiting.pop(stream)
        waited = now - waiting.offered_seconds
        self.counters.taken += 1
        self.counters.waiting_seconds += waited
        self.counters.longest_wait_seconds = max(self.counters.longest_wait_seconds, waited)
        return Scheduled(stream, waiting.frame, waiting.continues, waiting.offered_seconds)
