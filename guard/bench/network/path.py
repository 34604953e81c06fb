"""One direction of a relayed call: media goes through an impaired link, everything else passes. Pure."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

from guard.bench.network.impairment import ImpairedLink, Impairment, PacketCounts

MAX_IN_FLIGHT = 10_000
"""Datagrams on the way at the same time; more are dropped as if a queue had overflowed."""

_MEDIA_FIRST_BYTES = range(128, 192)
"""SRTP and SRTCP (RFC 7983 section 7); STUN and DTLS lie below."""
_RTCP_TYPES = range(192, 224)
"""In the second byte, where RTP has marker and payload type (RFC 5761 section 4)."""
_FEEDBACK_FORMAT_BITS = 0x1F
_TRANSPORT_FEEDBACK, _PAYLOAD_FEEDBACK = 205, 206
_GENERIC_NACK = _PICTURE_LOSS_INDICATION = 1


@dataclass(slots=True)
class FeedbackCounts:
    """RTCP feedback sent into this direction (RFC 4585), lost or not.

    SRTCP leaves the header of a packet in the clear (RFC 3711 section 3.4), and in it only the first message of a
    compound one. aiortc sends feedback one by one; a peer that compounds it is under-counted.
    """

    nacks: int = 0
    """Messages, not packets asked for again: their number is encrypted."""
    plis: int = 0


class ImpairedPath:
    """Takes datagrams and gives them back when they are due."""

    def __init__(self, impairment: Impairment, seed: str) -> None:
        self.feedback = FeedbackCounts()
        self._link = ImpairedLink(impairment, seed)
        self._impairing = False
        self._in_flight: list[tuple[float, int, bytes]] = []
        self._taken = 0

    @property
    def packets(self) -> PacketCounts:
        """What became of media since the impairment began."""
        return self._link.counts

    @property
    def next_seconds(self) -> float | None:
        """When the next datagram is due; None where none is on the way."""
        return self._in_flight[0][0] if self._in_flight else None

    def start_impairing(self) -> None:
        """From now on the link is bad; before, everything passes at once."""
        self._impairing = True

    def take(self, datagram: bytes, now: float) -> None:
        """A datagram comes in. `now`: seconds, never running back."""
        due: float | None = now
        if is_media(datagram):
            self._count_feedback(datagram)
            if self._impairing:
                due = self._link.deliver_at(len(datagram), now)
        if due is None:
            return
        if len(self._in_flight) >= MAX_IN_FLIGHT:
            self._link.counts.overflowed += 1
            return
        self._taken += 1
        # The number keeps datagrams that are due at the same time in order.
        heapq.heappush(self._in_flight, (due, self._taken, datagram))

    def due(self, now: float) -> list[bytes]:
        """Everything that has arrived by `now`, in the order of arrival."""
        arrived = []
        while self._in_flight and self._in_flight[0][0] <= now:
            arrived.append(heapq.heappop(self._in_flight)[2])
        return arrived

    def _count_feedback(self, datagram: bytes) -> None:
        if len(datagram) < 2 or datagram[1] not in _RTCP_TYPES:
            return
        kind = datagram[1], datagram[0] & _FEEDBACK_FORMAT_BITS
        self.feedback.nacks += kind == (_TRANSPORT_FEEDBACK, _GENERIC_NACK)
        self.feedback.plis += kind == (_PAYLOAD_FEEDBACK, _PICTURE_LOSS_INDICATION)


def is_media(datagram: bytes) -> bool:
    """Whether this is SRTP or SRTCP."""
    return bool(datagram) and datagram[0] in _MEDIA_FIRST_BYTES
