"""What a call source hands over: received frames, newest first in importance, and who joined or left."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from av import VideoFrame

Frame = TypeVar("Frame")


@dataclass(frozen=True, slots=True)
class ReceivedFrame:
    """One decoded frame of one participant."""

    image: VideoFrame
    pts_seconds: float
    """Media time from the RTP clock (or the file), 0 at the stream's first frame."""
    arrival_seconds: float
    """`time.monotonic()` when the decoded frame was handed over."""
    capture_seconds: float | None
    """Unix time of capture where the sender tells it."""
    after_gap: bool
    """True where the decoder lost something between the previous frame and this one."""
    complete_seconds: float | None = None
    """`time.monotonic()` when the encoded frame was whole and went to the decoder; None where no network was."""


class LatestQueue(ABC, Generic[Frame]):
    """A bounded queue that keeps the newest frames and counts what it had to drop. Thread-safe.

    The producer never waits; after a drop the next frame that comes out says so.

    on_ready: called by the producer, on its thread, when there is a frame after there was none.
    """

    def __init__(self, capacity: int = 4, on_ready: Callable[[], object] | None = None) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, got {capacity}")
        self._frames: deque[Frame] = deque()
        self._capacity = capacity
        self._on_ready = on_ready
        self._lock = Lock()
        self._lost = False
        self._received = 0
        self._dropped = 0

    @property
    def received(self) -> int:
        """Frames pushed since the start."""
        return self._received

    @property
    def dropped(self) -> int:
        """Frames thrown away because nobody took them in time."""
        return self._dropped

    def __len__(self) -> int:
        return len(self._frames)

    def push(self, frame: Frame) -> None:
        """Take a new frame; the oldest goes when there is no room."""
        with self._lock:
            self._received += 1
            was_empty = not self._frames
            if len(self._frames) == self._capacity:
                self._frames.popleft()
                self._dropped += 1
                self._lost = True
            self._frames.append(frame)
        if was_empty and self._on_ready is not None:
            self._on_ready()

    def pop(self) -> Frame | None:
        """The oldest kept frame, or None."""
        with self._lock:
            if not self._frames:
                return None
            frame = self._frames.popleft()
            if self._lost:
                frame, self._lost = self._after_loss(frame)
            return frame

    def missed(self, count: int) -> None:
        """So many frames were lost before they came here; who pushes the next one says so in it."""
        with self._lock:
            self._received += count
            self._dropped += count

    @abstractmethod
    def _after_loss(self, frame: Frame) -> tuple[Frame, bool]:
        """The first frame after a drop as it comes out, and whether the one after it still has to tell."""


class LatestFrames(LatestQueue[ReceivedFrame]):
    """The newest decoded frames; the one after a drop says `after_gap`."""

    def _after_loss(self, frame: ReceivedFrame) -> tuple[ReceivedFrame, bool]:
        return replace(frame, after_gap=True), False


class CallListener(Protocol):
    """Who wants to know what happens in calls. Called on the event loop's thread; must not block."""

    def participant_joined(self, call: str, participant: str) -> LatestFrames:
        """A participant's video starts; the source pushes its frames into the returned queue."""

    def participant_left(self, call: str, participant: str, why: str) -> None:
        """A participant's video has ended; no frame will follow. Called exactly once per join."""
