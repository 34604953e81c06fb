"""Puts the packets of one video stream in order and hands out whole frames: a jitter buffer without I/O or clock.

aiortc's own buffer holds every frame until the next begins, lets out one frame a packet, so that a backlog stays for
ever, and waits for a lost packet without end. This one releases on the RTP marker bit, drains all that is complete at
once, asks again for what is missing (RFC 4585 section 6.2.1), and gives a hole up after a bounded time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

GIVE_UP_SECONDS = 0.25
"""A hole is given up so long after it was seen,"""
NACK_REPEAT_SECONDS = 0.06
"""and asked for again every so often until then."""
MAX_NACK_NUMBERS = 256
"""Sequence numbers asked for at once; even if no two are neighbours, the message fits into a datagram."""
CAPACITY_PACKETS = 1024
"""How far a packet may be ahead of the first one that is missing."""
MAX_LATE_PACKETS = 2000
"""A packet further behind than this belongs to a stream that started over."""

_NACK_SCAN_SECONDS = 0.02
_MODULO = 1 << 16
_HALF = 1 << 15


class MediaPacket(NamedTuple):
    """One depayloaded RTP packet."""

    sequence_number: int
    """16 bits."""
    timestamp: int
    """32 bits."""
    marker: bool
    """The last packet of its frame (RFC 7741 section 4.1, RFC 6184 section 5.1)."""
    payload_type: int
    data: bytes


class EncodedFrame(NamedTuple):
    """The joined packets of one frame."""

    timestamp: int
    payload_type: int
    data: bytes
    follows: bool
    """True where nothing is missing between the frame released before and this one; where it is False, the first
    packets of this frame may be missing, too."""


class BufferStep(NamedTuple):
    """What came of a packet, or of time that passed."""

    frames: tuple[EncodedFrame, ...] = ()
    nack: tuple[int, ...] = ()
    """Sequence numbers to be asked for now."""
    lost: bool = False
    """True where something was lost after the last of `frames`."""


NOTHING = BufferStep()
"""What comes of most packets."""


@dataclass(slots=True)
class _Missing:
    since_seconds: float
    asked_seconds: float


@dataclass(slots=True)
class _PartialFrame:
    timestamp: int
    payload_type: int
    data: bytearray = field(default_factory=bytearray)
    is_too_large: bool = False


class JitterBuffer:
    """Packets in, frames in order out. Time is given with every call, in seconds of one monotonic clock.

    Holds at most CAPACITY_PACKETS packets and one frame of `max_frame_bytes`. Not thread-safe.
    """

    def __init__(self, max_frame_bytes: int) -> None:
        self._max_frame_bytes = max_frame_bytes
        self.late = 0
        """Packets that came after their time, or twice."""
        self.given_up = 0
        """Holes that were never filled."""
        self.asked_again = 0
        """Repeated requests for missing packets."""
        self.restarts = 0
        """Times that the sequence numbers jumped."""
        self._lost = False
        self._clear()

    @property
    def has_hole(self) -> bool:
        """True while a packet is missing before one that has come: call `tick` in time."""
        return bool(self._missing)

    def restart(self) -> None:
        """Forget the stream; the next packet begins another one."""
        self.restarts += 1
        self._lost = True
        self._clear()

    def add(self, packet: MediaPacket, now: float) -> BufferStep:
        """Take a packet and let out all that is complete with it."""
        if self._next < 0:
            self._begin(packet)
        offset = self._offset(packet)
        if -MAX_LATE_PACKETS <= offset < 0:
            self.late += 1
            return self.tick(now)
        if offset == 0 and not self._missing:
            self._newest = self._next
            self._next += 1
            frames: list[EncodedFrame] = []
            self._append(packet, frames)
            return self._step(frames, now) if frames or self._lost else NOTHING
        if 0 <= offset < CAPACITY_PACKETS:
            return self._step(self._place(self._next + offset, packet, now), now)
        return self._take_stray(packet, now)

    def tick(self, now: float) -> BufferStep:
        """Let time pass: ask again for what is missing, give up what has been missing for too long."""
        return self._step([], now)

    def _clear(self) -> None:
        # Sequence numbers are counted on beyond 16 bits from the first packet on; `_next` is the first one missing.
        self._next = -1
        self._newest = -1
        self._ahead: dict[int, MediaPacket] = {}
        self._missing: dict[int, _Missing] = {}
        self._stray: MediaPacket | None = None
        self._partial: _PartialFrame | None = None
        self._follows = False
        self._fresh: list[int] = []
        self._scan_seconds = 0.0

    def _begin(self, packet: MediaPacket) -> None:
        self._next = packet.sequence_number
        self._newest = self._next - 1

    def _offset(self, packet: MediaPacket) -> int:
        """How far a packet is ahead of the one that is expected; negative behind it."""
        return (packet.sequence_number - self._next + _HALF) % _MODULO - _HALF

    def _take_stray(self, packet: MediaPacket, now: float) -> BufferStep:
        """One packet from far off is kept aside; a second that follows it shows that the stream jumped.

        So a single stray packet does no harm (RFC 3550 appendix A.1).
        """
        stray, self._stray = self._stray, packet
        if stray is None or packet.sequence_number != (stray.sequence_number + 1) % _MODULO:
            return self.tick(now)
        self.restart()
        self._begin(stray)
        return self._step([*self._place(self._next, stray, now), *self._place(self._next, packet, now)], now)

    def _place(self, number: int, packet: MediaPacket, now: float) -> list[EncodedFrame]:
        for missing in range(self._newest + 1, number):
            self._missing[missing] = _Missing(now, now)
            self._fresh.append(missing)
        self._newest = max(self._newest, number)
        self._missing.pop(number, None)
        if number in self._ahead:
            self.late += 1
        self._ahead.setdefault(number, packet)
        frames: list[EncodedFrame] = []
        self._release(frames)
        return frames

    def _step(self, frames: list[EncodedFrame], now: float) -> BufferStep:
        nack: tuple[int, ...] = ()
        if self._missing:
            self._give_up(frames, now)
            nack = self._due(now)
        self._fresh.clear()
        lost, self._lost = self._lost, False
        return BufferStep(tuple(frames), nack, lost)

    def _release(self, frames: list[EncodedFrame]) -> None:
        """Everything that is complete, however much has piled up."""
        while (packet := self._ahead.pop(self._next, None)) is not None:
            self._next += 1
            self._append(packet, frames)

    def _append(self, packet: MediaPacket, frames: list[EncodedFrame]) -> None:
        """The next packet in order; a frame that is complete with it goes into `frames`."""
        partial = self._partial
        if partial is not None and (
            partial.timestamp != packet.timestamp or partial.payload_type != packet.payload_type
        ):
            # The marker is missing, or unused: the next frame ends this one.
            self._finish(partial, frames)
            partial = None
        if partial is None:
            partial = self._partial = _PartialFrame(packet.timestamp, packet.payload_type)
        self._extend(partial, packet.data)
        if packet.marker:
            self._finish(partial, frames)

    def _extend(self, partial: _PartialFrame, data: bytes) -> None:
        if partial.is_too_large:
            return
        if len(partial.data) + len(data) > self._max_frame_bytes:
            partial.is_too_large = True
            partial.data.clear()
            self._lost = True
            self._follows = False
            return
        partial.data += data

    def _finish(self, partial: _PartialFrame, frames: list[EncodedFrame]) -> None:
        self._partial = None
        # Padding (RFC 3550 section 5.1) fills packets of its own between frames.
        if partial.is_too_large or not partial.data:
            return
        follows, self._follows, self._lost = self._follows, True, False
        frames.append(EncodedFrame(partial.timestamp, partial.payload_type, bytes(partial.data), follows))

    def _give_up(self, frames: list[EncodedFrame], now: float) -> None:
        """Pass over the holes that are too old. Each has its own time, from when it was seen."""
        while (hole := self._missing.get(self._next)) and now - hole.since_seconds >= GIVE_UP_SECONDS:
            while self._missing.pop(self._next, None) is not None:
                self._next += 1
            self.given_up += 1
            self._lost = True
            self._follows = False
            self._partial = None
            self._release(frames)

    def _due(self, now: float) -> tuple[int, ...]:
        """What was just found missing, and from time to time what has been asked for long enough ago."""
        due = [number for number in self._fresh[:MAX_NACK_NUMBERS] if number in self._missing]
        if now >= self._scan_seconds:
            self._scan_seconds = now + _NACK_SCAN_SECONDS
            again = self._repeated(now, MAX_NACK_NUMBERS - len(due))
            self.asked_again += bool(again)
            due += again
        return tuple(number % _MODULO for number in due)

    def _repeated(self, now: float, room: int) -> list[int]:
        again = []
        for number, hole in islice(self._missing.items(), room):
            if now - hole.asked_seconds >= NACK_REPEAT_SECONDS:
                hole.asked_seconds = now
                again.append(number)
        return again
