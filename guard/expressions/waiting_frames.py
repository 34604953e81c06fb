"""Face frames that wait for the tracker: the newest few of every seat, each seat in its turn. Pure."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PER_SEAT = 3
"""A tracker that is held up for a quarter of a second loses nothing at 12.5 frames a second."""


@dataclass(frozen=True, slots=True)
class WaitingFrame:
    """pixels: uint8 (128, 128), full-range luma. track: number of one stay of one participant.

    seconds: media time. arrival_seconds: when it came, on the guard's clock.
    """

    track: int
    seconds: float
    pixels: NDArray[np.uint8]
    arrival_seconds: float = 0.0


class WaitingFrames:
    """A bounded queue: a seat that sends too much loses its own oldest frames and no other seat's."""

    def __init__(self) -> None:
        self._frames: OrderedDict[int, deque[WaitingFrame]] = OrderedDict()
        self.dropped = 0
        """Frames that nobody took in time."""

    def __len__(self) -> int:
        return sum(map(len, self._frames.values()))

    def put(self, frame: WaitingFrame) -> None:
        """Take a frame; the seat's oldest goes where there is no room."""
        waiting = self._frames.setdefault(frame.track, deque())
        if len(waiting) == PER_SEAT:
            waiting.popleft()
            self.dropped += 1
        waiting.append(frame)

    def next(self) -> WaitingFrame | None:
        """The oldest frame of the seat whose turn it is, or None. Its next one waits behind all other seats."""
        if not self._frames:
            return None
        track, waiting = self._frames.popitem(last=False)
        frame = waiting.popleft()
        if waiting:
            self._frames[track] = waiting
        return frame

    def forget(self, track: int) -> None:
        """Drop what waits of this track; it is not counted."""
        self._frames.pop(track, None)

    def clear(self) -> None:
        """Drop everything; it is not counted."""
        self._frames.clear()
