"""Face frames from a worker to the guard through shared memory: a ring of slots for every stream.

The worker may be in an attacker's hands, and with it every byte of the segment at every moment. The reader copies a
slot before it looks at it, believes nothing that is out of bounds, and never waits. Both sides use the same
CLOCK_MONOTONIC. The segment is sealed: nobody can shrink it under the reader's feet.

    slot    header, 128 bytes | crop, 128 x 128 uint8
    header  sequence number | frame | sequence number again: written last and read first, it shows a torn slot
"""

from __future__ import annotations

import fcntl
import math
import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from engines.pacer import TARGET_FPS
from guard.calls.rate_limit import TokenBucket
from guard.media.front_end import FaceFrame, NoFrame
from guard.verify.states import AbstainReason

SIDE_PX = 128
SLOTS = 8
"""A worker may be so many frames ahead of the guard's event loop."""
HEADER_BYTES = 128
SLOT_BYTES = HEADER_BYTES + SIDE_PX * SIDE_PX
RING_BYTES = SLOTS * SLOT_BYTES

MAX_AGE_SECONDS = 5.0
"""An older frame says nothing about now, and none comes from the future."""
MAX_PTS_SECONDS = 1e9
MAX_UNIX_SECONDS = 1e11
MAX_FPS = 10_000.0
MAX_FACES_PER_SECOND = 2 * TARGET_FPS
"""The worker's pacer lets no more than three halves of the target rate through."""
MAX_MISSED = 1000
"""Frames that one gap may count for."""

Segment = NDArray[np.uint8]
"""All rings of one worker: uint8 (rings, SLOTS, SLOT_BYTES)."""

# sequence, frames received so far, kind, reason, flags, crop generation, pts, arrival, capture, fps, pixels, sequence
_HEADER = struct.Struct("<QQBBBxIdddddQ")
_SEQUENCE = struct.Struct("<Q")
_FACE, _NO_FACE = 1, 2
_CONTINUES, _HAS_CAPTURE = 1, 2
_REASONS = (
    None,
    AbstainReason.NO_FACE,
    AbstainReason.FRAME_RATE_TOO_LOW,
    AbstainReason.UNSTEADY,
)
"""Why a front end has no frame; the index is what is written."""


def create_segment(rings: int) -> int:
    """A new segment of zeros, of a size that nobody can change; returns its file descriptor, not inheritable."""
    descriptor = os.memfd_create("guard-crops", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with closed_on_error(descriptor):
        os.ftruncate(descriptor, rings * RING_BYTES)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    return descriptor


@contextmanager
def closed_on_error(descriptor: int) -> Iterator[None]:
    """Close a file descriptor where what is done with it fails."""
    try:
        yield
    except BaseException:
        os.close(descriptor)
        raise


def map_segment(descriptor: int) -> Segment:
    """The segment behind a file descriptor, which may be closed afterwards."""
    memory = mmap.mmap(descriptor, os.fstat(descriptor).st_size)
    return np.frombuffer(memory, np.uint8).reshape(-1, SLOTS, SLOT_BYTES)


class RingWriter:
    """The worker's side of one ring. Never waits: what the guard does not take in time is overwritten."""

    def __init__(self, ring: NDArray[np.uint8]) -> None:
        """`ring`: uint8 (SLOTS, SLOT_BYTES)."""
        self._ring = ring
        self._sequence = 0

    def write(self, frame: FaceFrame | NoFrame, received: int) -> None:
        """Put a frame into the next slot. `received`: frames of this stream so far, dropped ones included."""
        self._sequence += 1
        slot = self._ring[self._sequence % SLOTS]
        _HEADER.pack_into(slot, 0, *([0] * 12))
        if isinstance(frame, FaceFrame):
            slot[HEADER_BYTES:] = frame.pixels.reshape(-1)
        _HEADER.pack_into(slot, 0, 0, *self._fields(frame, received), self._sequence)
        _SEQUENCE.pack_into(slot, 0, self._sequence)

    @staticmethod
    def _fields(frame: FaceFrame | NoFrame, received: int) -> tuple[float, ...]:
        if isinstance(frame, NoFrame):
            reason = _REASONS.index(frame.reason)
            return received, _NO_FACE, reason, 0, 0, frame.pts_seconds, frame.arrival_seconds, 0.0, frame.fps, 0.0
        capture = frame.capture_seconds
        flags = _CONTINUES * frame.continues | _HAS_CAPTURE * (capture is not None)
        return (
            *(received, _FACE, 0, flags, frame.crop_generation),
            *(frame.pts_seconds, frame.arrival_seconds, capture or 0.0, frame.fps, frame.pixels_seconds),
        )


class RingReader:
    """The guard's side of one ring, from the moment on at which a stream got it: it must be empty then.

    What is lost, torn or invalid is counted, and the next face frame does not `continue`.
    """

    def __init__(self, ring: NDArray[np.uint8]) -> None:
        """`ring`: uint8 (SLOTS, SLOT_BYTES)."""
        self._ring = ring
        self._next = 1
        self._received = 0
        self._arrival_seconds = -math.inf
        self._broken = False
        self._faces = TokenBucket(MAX_FACES_PER_SECOND)
        self.refused = 0
        """Slots that were torn, or held what no front end writes."""

    def take(self, now: float) -> tuple[list[FaceFrame | NoFrame], int]:
        """What has come since the last call, oldest first, and how many more frames were lost than that."""
        frames: list[FaceFrame | NoFrame] = []
        missed = 0
        # Bounded, whatever the worker does meanwhile.
        for _ in range(2 * SLOTS):
            slot = self._ring[self._next % SLOTS]
            sequence = _sequence(slot)
            if sequence < self._next:
                break
            if sequence > self._next:
                self._next = max(self._next + 1, sequence - SLOTS + 1)
                self._broken = True
                continue
            frame, skipped = self._read(slot, now)
            self._next += 1
            missed += skipped
            if frame is not None:
                frames.append(frame)
        return frames, missed

    def _read(self, slot: NDArray[np.uint8], now: float) -> tuple[FaceFrame | NoFrame | None, int]:
        copy = slot.tobytes()
        header = _HEADER.unpack_from(copy)
        # What is written while we copy is marked as unfinished before, or numbered anew after.
        is_torn = header[-1] != self._next or _sequence(slot) != self._next
        frame = None if is_torn else self._frame(header, copy, now)
        missed = 0
        if not is_torn and header[1] > self._received:
            missed = min(header[1] - self._received - 1, MAX_MISSED)
            self._received = header[1]
        if frame is None:
            self.refused += 1
            self._broken = True
            return None, missed + 1
        # Losses before the worker's front end are in the flag already; those of NoFrames have broken the run as well.
        self._arrival_seconds = frame.arrival_seconds
        if isinstance(frame, FaceFrame) and self._broken:
            self._broken = False
            frame = replace(frame, continues=False)
        return frame, missed

    def _frame(self, header: tuple[float, ...], copy: bytes, now: float) -> FaceFrame | NoFrame | None:
        _, _, kind, reason, flags, generation, pts, arrival, capture, fps, pixels_seconds, _ = header
        # Not a number is within no bounds.
        usual = (
            abs(pts) <= MAX_PTS_SECONDS
            and max(self._arrival_seconds, now - MAX_AGE_SECONDS) <= arrival <= now
            and 0 <= fps <= MAX_FPS
        )
        if not usual:
            return None
        if kind == _NO_FACE:
            return NoFrame(_REASONS[int(reason)], pts, arrival, fps) if reason < len(_REASONS) else None
        has_capture = int(flags) & _HAS_CAPTURE
        possible = (
            kind == _FACE
            and flags <= _CONTINUES | _HAS_CAPTURE
            and 0 <= pixels_seconds <= MAX_AGE_SECONDS
            and (not has_capture or 0 <= capture <= MAX_UNIX_SECONDS)
        )
        if not possible or not self._faces.take(1, now):
            return None
        return FaceFrame(
            pixels=np.frombuffer(copy, np.uint8, offset=HEADER_BYTES).reshape(SIDE_PX, SIDE_PX),
            continues=bool(int(flags) & _CONTINUES),
            pts_seconds=pts,
            arrival_seconds=arrival,
            capture_seconds=capture if has_capture else None,
            crop_generation=int(generation),
            fps=fps,
            pixels_seconds=pixels_seconds,
        )


def _sequence(slot: NDArray[np.uint8]) -> int:
    (sequence,) = _SEQUENCE.unpack(slot[: _SEQUENCE.size].tobytes())
    return int(sequence)
