"""A sender of one video stream without a network: frames cut into packets, and what a network does to them."""

from __future__ import annotations

from dataclasses import dataclass

from guard.calls.jitter_buffer import MediaPacket

FRAME_SECONDS = 1 / 30
TICKS = 3000
"""Of the 90 kHz clock, from frame to frame."""


def vp8_frame(number: int, *, key: bool, size: int = 24) -> bytes:
    """A VP8 header, the frame's number, and a filling of which no part looks like a header of its own."""
    header = b"\x10\x00\x00\x9d\x01\x2a\x80\x02\x68\x01" if key else b"\x11\x00\x00"
    return (header + number.to_bytes(4, "big")).ljust(size, b"\xff")


def number_in(data: bytes) -> int:
    """The number that `vp8_frame` wrote."""
    at = 3 if data[0] & 1 else 10
    return int.from_bytes(data[at : at + 4], "big")


@dataclass(slots=True)
class Sender:
    """Numbers packets from `sequence_number` and stamps frames from `timestamp` on, both wrapping around."""

    sequence_number: int = 0
    timestamp: int = 0
    payload_type: int = 97
    uses_marker: bool = True

    def packets(self, data: bytes, count: int = 1) -> list[MediaPacket]:
        """The next frame in `count` packets."""
        cuts = [len(data) * index // count for index in range(count + 1)]
        packets = []
        for index in range(count):
            marker = self.uses_marker and index == count - 1
            part = data[cuts[index] : cuts[index + 1]]
            packets.append(MediaPacket(self.sequence_number, self.timestamp, marker, self.payload_type, part))
            self.sequence_number = (self.sequence_number + 1) % (1 << 16)
        self.timestamp = (self.timestamp + TICKS) % (1 << 32)
        return packets
