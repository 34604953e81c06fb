"""Reads along in a running guard: which frame arrived when, told by the number that is burnt into it.

Where the guard receives in other processes no picture comes out of them: there a frame is known by its media time.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.pixels import luma_plane
from guard.bench.barcode import read_rows
from guard.bench.plain_sink import sampled_rows
from guard.calls.source import LatestFrames, ReceivedFrame
from guard.media.front_end import FaceFrame, NoFrame
from guard.media.latest_faces import LatestFaces
from guard.monitor import Monitor

_JOINED, _FACES_JOINED = "participant_joined", "faces_joined"


@dataclass(frozen=True, slots=True)
class ArrivedFrame:
    """A decoded frame in the guard; monotonic seconds. number: burnt into it, None where it could not be read.

    complete_at: the encoded frame was whole. pts_seconds: media time, which names the frame in its score event.
    Of a frame that was received in another process, captured_at is known in place of number and complete_at: when the
    sender sent it, by the sender's clock.
    """

    number: int | None
    pts_seconds: float
    complete_at: float | None
    arrived_at: float
    captured_at: float | None = None


class FrameProbe:
    """Stands between the call sources and a monitor that nobody has joined yet.

    Notes a frame after it was handed on, and reads numbers only when asked: what is measured is not held up.
    """

    def __init__(self, monitor: Monitor) -> None:
        self._noted: dict[str, list[tuple[float, float, float, NDArray[np.uint8]]]] = defaultdict(list)
        self._faces: dict[str, list[ArrivedFrame]] = defaultdict(list)
        self._unix_seconds = time.time() - time.monotonic()
        self._join: Callable[[str, str], LatestFrames] = getattr(monitor, _JOINED)
        self._join_faces: Callable[[str, str], LatestFaces] = getattr(monitor, _FACES_JOINED)
        setattr(monitor, _JOINED, self._joined)
        setattr(monitor, _FACES_JOINED, self._faces_joined)

    def arrived(self) -> dict[str, list[ArrivedFrame]]:
        """Every frame so far that came over a network, by participant, in the order of arrival."""
        pictures = {
            name: [ArrivedFrame(read_rows(rows), pts, complete, at) for pts, complete, at, rows in noted]
            for name, noted in self._noted.items()
        }
        return {**self._faces, **pictures}

    def _joined(self, call: str, participant: str) -> LatestFrames:
        return _ReadAlong(self._join(call, participant), lambda frame: self._note(participant, frame))

    def _faces_joined(self, call: str, participant: str) -> LatestFaces:
        return _FacesReadAlong(self._join_faces(call, participant), lambda face: self._note_face(participant, face))

    def _note_face(self, participant: str, face: FaceFrame | NoFrame) -> None:
        if isinstance(face, FaceFrame):
            captured = None if face.capture_seconds is None else face.capture_seconds - self._unix_seconds
            self._faces[participant].append(ArrivedFrame(None, face.pts_seconds, None, face.arrival_seconds, captured))

    def _note(self, participant: str, frame: ReceivedFrame) -> None:
        if frame.complete_seconds is not None:
            rows = sampled_rows(luma_plane(frame.image).pixels)
            noted = (frame.pts_seconds, frame.complete_seconds, frame.arrival_seconds, rows)
            self._noted[participant].append(noted)


class _ReadAlong(LatestFrames):
    """Hands every frame on, then notes it. Only ever pushed to: who pops has the queue behind it."""

    def __init__(self, frames: LatestFrames, note: Callable[[ReceivedFrame], None]) -> None:
        super().__init__()
        self._queue = frames
        self._note = note

    def push(self, frame: ReceivedFrame) -> None:
        """Pass a frame on."""
        self._queue.push(frame)
        self._note(frame)


class _FacesReadAlong(LatestFaces):
    """The same for face frames."""

    def __init__(self, faces: LatestFaces, note: Callable[[FaceFrame | NoFrame], None]) -> None:
        super().__init__()
        self._queue = faces
        self._note = note

    def push(self, frame: FaceFrame | NoFrame) -> None:
        """Pass a face frame on."""
        self._queue.push(frame)
        self._note(frame)

    def missed(self, count: int) -> None:
        """Pass on that some were lost."""
        self._queue.missed(count)
