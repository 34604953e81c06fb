"""RTP packets (RFC 3550 section 5.1) and what a video receiver needs of them, read in one pass.

aiortc makes an object for every packet, one for its header extensions and one for the payload's descriptor; at two or
three packets a frame that costs about as much as decoding the frame does.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

_HEADER = struct.Struct("!BBHII")
_EXTENSION = struct.Struct("!HH")
_ONE_BYTE_PROFILE = 0xBEDE
_TWO_BYTE_PROFILE = 0x1000
_SEND_TIME_BYTES = 3


class ReceivedPacket(NamedTuple):
    """One decrypted packet."""

    sequence_number: int
    timestamp: int
    ssrc: int
    payload_type: int
    marker: bool
    payload: bytes
    """Without padding; empty where there was nothing else."""
    padding_bytes: int
    send_time: int | None
    """24 bits of the sender's clock, 1/2^18 s each (abs-send-time); None where the packet does not tell."""


def read_rtp(data: bytes, send_time_id: int | None) -> ReceivedPacket:
    """Read a packet; `send_time_id` is the negotiated number of the header extension abs-send-time.

    Raises ValueError for what is no whole packet.
    """
    if len(data) < _HEADER.size:
        raise ValueError("RTP packet shorter than its header")
    first, second, sequence_number, timestamp, ssrc = _HEADER.unpack_from(data)
    if first >> 6 != 2:
        raise ValueError("RTP packet of another version")
    start, end, padding = _HEADER.size + 4 * (first & 0x0F), len(data), 0
    send_time = None
    if first & 0x10:
        if start + _EXTENSION.size > end:
            raise ValueError("RTP header extension without its length")
        profile, words = _EXTENSION.unpack_from(data, start)
        at = start + _EXTENSION.size
        start = at + 4 * words
        if send_time_id and start <= end:
            send_time = _send_time(data, at, start, profile, send_time_id)
    if first & 0x20:
        padding = data[-1]
        end -= padding
        if not padding:
            raise ValueError("RTP packet with padding of no length")
    if start > end:
        raise ValueError("RTP packet is cut")
    payload = data[start:end]
    return ReceivedPacket(
        sequence_number, timestamp, ssrc, second & 0x7F, second >> 7 == 1, payload, padding, send_time
    )


def unwrap_retransmission(packet: ReceivedPacket, payload_type: int, ssrc: int) -> ReceivedPacket:
    """The packet that a retransmission (RFC 4588 section 4) brings again. Raises ValueError where it brings none."""
    if len(packet.payload) < 2:
        raise ValueError("retransmission of nothing")
    return packet._replace(
        sequence_number=int.from_bytes(packet.payload[:2], "big"),
        ssrc=ssrc,
        payload_type=payload_type,
        payload=packet.payload[2:],
    )


def vp8_data(payload: bytes) -> bytes:
    """What is behind the VP8 payload descriptor (RFC 7741 section 4.2). Raises ValueError where that is cut."""
    if not payload:
        raise ValueError("VP8 payload without its descriptor")
    at = 1
    if payload[0] & 0x80:
        if len(payload) < 2:
            raise ValueError("VP8 payload descriptor is cut")
        extensions = payload[1]
        at = 2
        if extensions & 0x80:
            if len(payload) < 3:
                raise ValueError("VP8 payload descriptor is cut")
            at = 4 if payload[2] & 0x80 else 3
        at += (extensions >> 6 & 1) + bool(extensions & 0x30)
    if at > len(payload):
        raise ValueError("VP8 payload descriptor is cut")
    return payload[at:]


def _send_time(data: bytes, at: int, end: int, profile: int, wanted: int) -> int | None:
    """Look for abs-send-time among the header extensions (RFC 8285). Raises ValueError where one of them is cut."""
    if profile == _ONE_BYTE_PROFILE:
        is_long = False
    elif profile == _TWO_BYTE_PROFILE:
        is_long = True
    else:
        return None
    while at < end:
        head = data[at]
        if head == 0:
            at += 1
            continue
        if is_long:
            if at + 2 > end:
                raise ValueError("RTP header extension is cut")
            number, length, at = head, data[at + 1], at + 2
        else:
            number, length, at = head >> 4, (head & 0x0F) + 1, at + 1
        if at + length > end:
            raise ValueError("RTP header extension is cut")
        if number == wanted:
            return int.from_bytes(data[at : at + length], "big") if length == _SEND_TIME_BYTES else None
        at += length
    return None
