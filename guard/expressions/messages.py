"""What guard and tracker say to each other: records of fixed size over a socket. Pure; no I/O.

Only the standard library: the tracker runs in an environment that need not have the guard's packages. Orders go to the
tracker, which trusts them. Replies come from a process that has seen a stranger's pictures, so nothing in them is
believed that is out of bounds.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from guard.one_line import one_line

SIDE_PX = 128
"""Of a face frame."""
BLENDSHAPES, SIGNALS = 52, 17

_ORDER = struct.Struct("<BQQd")
_REPLY = struct.Struct("<BQBd")
_NUMBERS = struct.Struct(f"<{BLENDSHAPES + SIGNALS}f")
_TEXT_BYTES = 400
ORDER_BYTES = _ORDER.size + SIDE_PX * SIDE_PX
REPLY_BYTES = _REPLY.size + _TEXT_BYTES
MAX_SIGNAL = 100.0
"""In distances of the outer eye corners; a face has none beyond 3."""
_MAX_CPU_SECONDS = 60.0


class OrderKind(IntEnum):
    """What the tracker is to do."""

    TRACK = 1
    FORGET = 2


@dataclass(frozen=True, slots=True)
class Order:
    """number: of the order; its reply has the same. seconds: media time. pixels: 128 x 128 bytes of luma.

    FORGET has no reply, and its pixels mean nothing.
    """

    kind: OrderKind
    number: int
    track: int
    seconds: float = 0.0
    pixels: bytes = bytes(SIDE_PX * SIDE_PX)


class ReplyKind(IntEnum):
    """What the tracker has to say."""

    READY = 1
    REFUSED = 2
    SAMPLE = 3


_REPLY_KINDS = frozenset(ReplyKind)


@dataclass(frozen=True, slots=True)
class Reply:
    """text: of READY what runs, of REFUSED why nothing can. The rest is of a SAMPLE.

    blendshapes: 52 numbers, 0-1. signals: 17 numbers. cpu_seconds: that the tracker
    spent on it, threads included.
    """

    kind: ReplyKind
    number: int = 0
    found: bool = False
    cpu_seconds: float = 0.0
    blendshapes: tuple[float, ...] = (0.0,) * BLENDSHAPES
    signals: tuple[float, ...] = (0.0,) * SIGNALS
    text: str = ""


def write_order(order: Order) -> bytes:
    """ORDER_BYTES bytes."""
    return _ORDER.pack(order.kind, order.number, order.track, order.seconds) + order.pixels


def read_order(record: bytes) -> Order:
    """An order of the guard's."""
    kind, number, track, seconds = _ORDER.unpack_from(record)
    return Order(OrderKind(kind), number, track, seconds, record[_ORDER.size :])


def write_reply(reply: Reply) -> bytes:
    """REPLY_BYTES bytes; of a text that is too long the end is cut off."""
    head = _REPLY.pack(reply.kind, reply.number, reply.found, reply.cpu_seconds)
    if reply.kind is ReplyKind.SAMPLE:
        body = _NUMBERS.pack(*reply.blendshapes, *reply.signals)
    else:
        body = reply.text.encode("utf-8", "replace")[:_TEXT_BYTES]
    return head + body.ljust(_TEXT_BYTES, b"\0")


def read_reply(record: bytes) -> Reply:
    """A reply of a tracker's. Raises ValueError, which says nothing of what the record holds."""
    kind, number, found, cpu_seconds = _REPLY.unpack_from(record)
    if kind not in _REPLY_KINDS or found > 1 or not 0 <= cpu_seconds <= _MAX_CPU_SECONDS:
        raise ValueError("no valid reply")
    if kind != ReplyKind.SAMPLE:
        text = record[_REPLY.size :].rstrip(b"\0").decode("utf-8", "replace")
        return Reply(ReplyKind(kind), number, text=one_line(text, _TEXT_BYTES))
    numbers = _NUMBERS.unpack_from(record, _REPLY.size)
    blendshapes, signals = numbers[:BLENDSHAPES], numbers[BLENDSHAPES:]
    # Not a number is within no bounds.
    if not (all(0 <= value <= 1 for value in blendshapes) and all(abs(value) <= MAX_SIGNAL for value in signals)):
        raise ValueError("a sample out of bounds")
    return Reply(ReplyKind.SAMPLE, number, bool(found), cpu_seconds, blendshapes, signals)
