"""What a decoder was given and what came back: no smeared picture passes, and every gap is seen."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from guard.calls.encoded_stream import AdmittedFrame

# More would mean a decoder that swallows frames: its backlog is bounded by less.
_MAX_FRAMES_IN_DECODER = 64


class SentFrame(NamedTuple):
    """A frame that was given to the decoder."""

    number: int
    ssrc: int
    timestamp: int
    keyframe: bool
    after_gap: bool
    complete_seconds: float


class DecoderAccount:
    """Matches pictures to encoded frames by a running number, which travels through the decoder as its `pts`.

    Pictures come back in the order in which they were sent: calls use no B frames, which would add delay.
    """

    def __init__(self) -> None:
        self._waiting: deque[SentFrame] = deque(maxlen=_MAX_FRAMES_IN_DECODER)
        self._number = 0
        self._is_broken = False

    def send(self, frame: AdmittedFrame) -> int:
        """A frame goes to the decoder; returns its number."""
        self._number += 1
        if frame.shown:
            self._waiting.append(
                SentFrame(
                    self._number,
                    frame.ssrc,
                    frame.timestamp,
                    frame.keyframe,
                    frame.after_gap,
                    frame.complete_seconds,
                )
            )
        return self._number

    def fail(self) -> None:
        """The decoder could not use a frame, shown or not: all that follow are spoilt up to the next keyframe."""
        self._is_broken = True

    def receive(self, number: int, *, is_corrupt: bool) -> SentFrame | None:
        """A picture came back; None where it must not be used.

        A frame that the decoder swallowed, or marked as corrupt, spoils all that follow it up to the next keyframe.
        """
        sent = None
        while self._waiting and self._waiting[0].number <= number:
            sent = self._waiting.popleft()
            self._is_broken |= sent.number != number
        if sent is None or sent.number != number or is_corrupt:
            self._is_broken = True
            return None
        if self._is_broken and not sent.keyframe:
            return None
        after_gap = sent.after_gap or self._is_broken
        self._is_broken = False
        return sent if after_gap == sent.after_gap else sent._replace(after_gap=after_gap)
