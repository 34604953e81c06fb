"""The newest face frames of one participant, where somebody else received, decoded and cropped the video."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from guard.calls.source import LatestQueue
from guard.media.front_end import FaceFrame, NoFrame


class LatestFaces(LatestQueue[FaceFrame | NoFrame]):
    """What a front end made of the newest frames; after a drop the next face frame does not `continue`."""

    def _after_loss(self, frame: FaceFrame | NoFrame) -> tuple[FaceFrame | NoFrame, bool]:
        if isinstance(frame, NoFrame):
            return frame, True
        return replace(frame, continues=False), False


class FaceListener(Protocol):
    """A `CallListener` that takes face frames in place of pictures."""

    def faces_joined(self, call: str, participant: str) -> LatestFaces:
        """A participant's video starts; the source pushes what comes of its frames into the returned queue."""

    def participant_left(self, call: str, participant: str, why: str) -> None:
        """A participant's video has ended; no frame will follow. Called exactly once per join."""
