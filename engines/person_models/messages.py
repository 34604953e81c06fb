"""What a guard and its worker for person models say to each other: a head of fixed size, then what it announces.

Numbers are little-endian. Heads are checked like a stranger's: a worker may be broken.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from engines.person_models.faces import ENROLMENT_FRAMES, FACE_BYTES

_HEAD = struct.Struct("<BIddI")
HEAD_BYTES = _HEAD.size
MOST_BYTES = 64 << 20
"""Of what follows a head: the weights of a model of the published size are 50 MB."""
_TEXT_BYTES = 4096


class Kind(IntEnum):
    """Of the worker: `READY`, `REFUSED`, `PROGRESS`, `LEARNT`, `JUDGED`. Of the guard: the others."""

    READY = 1
    """It runs: what runs, in text."""
    REFUSED = 2
    """It cannot do this: why, in text. Said in place of READY, it is for good."""
    LEARN = 3
    """Learn a model from these faces: `stretch_lengths`, then the faces."""
    PROGRESS = 4
    """Of learning: the share that is done."""
    LEARNT = 5
    """The weights, float32."""
    KNOW = 6
    """A person's model to ask: its weights."""
    FORGET = 7
    """A person is not asked about any more."""
    JUDGE = 8
    """The faces of a probe: first ones of all pairs, then second ones."""
    JUDGED = 9
    """Nats; positive where the person's own model explains the probe better than others do."""


@dataclass(frozen=True, slots=True)
class Message:
    """person: whom it is about, a number that the guard gives. value: PROGRESS a share, JUDGED nats."""

    kind: Kind
    person: int = 0
    value: float = 0.0
    cpu_seconds: float = 0.0
    """That the worker took for it."""
    content: bytes = b""

    @property
    def text(self) -> str:
        """Of READY and REFUSED."""
        return self.content[:_TEXT_BYTES].decode("utf-8", "replace")


def write_message(message: Message) -> bytes:
    """As it goes over the socket."""
    head = _HEAD.pack(message.kind, message.person, message.value, message.cpu_seconds, len(message.content))
    return head + message.content


def read_message(read: Callable[[int], bytes]) -> Message:
    """The next message. read: gives so many bytes. Raises ValueError for what is none."""
    kind, person, value, cpu_seconds, size = _HEAD.unpack(read(HEAD_BYTES))
    if size > MOST_BYTES or not (math.isfinite(value) and math.isfinite(cpu_seconds)):
        raise ValueError(f"a message with {size} bytes, value {value}")
    return Message(Kind(kind), person, value, cpu_seconds, read(size) if size else b"")


_LENGTH = struct.Struct("<I")


def write_stretches(lengths: tuple[int, ...], faces: bytes) -> bytes:
    """The content of LEARN: how many faces each stretch has, then all faces one after another."""
    return _LENGTH.pack(len(lengths)) + struct.pack(f"<{len(lengths)}I", *lengths) + faces


def read_stretches(content: bytes) -> tuple[tuple[int, ...], bytes]:
    """What `write_stretches` made. Raises ValueError where it does not add up."""
    try:
        (count,) = _LENGTH.unpack_from(content)
        if count > ENROLMENT_FRAMES:
            raise ValueError(f"{count} stretches")
        lengths: tuple[int, ...] = struct.unpack_from(f"<{count}I", content, _LENGTH.size)
    except struct.error as error:
        raise ValueError("too short for its stretches") from error
    faces = content[_LENGTH.size * (1 + count) :]
    if sum(lengths) * FACE_BYTES != len(faces):
        raise ValueError(f"{len(faces)} bytes for stretches of {lengths} faces")
    return lengths, faces
