"""Who sits where: one participant to a seat, and no more participants than this guard can carry."""

from __future__ import annotations

from typing import Protocol

from guard.calls.source import CallListener, LatestFrames
from guard.errors import SeatError
from guard.media.latest_faces import FaceListener, LatestFaces


class Listener(CallListener, FaceListener, Protocol):
    """Takes pictures of some participants, and face frames of others."""


class Seats:
    """Stands before a listener that several sources share, and turns away whom there is no seat for.

    Without it a source could take over the seat of somebody who is in the call already.
    """

    def __init__(self, listener: Listener, max_participants: int) -> None:
        self._listener = listener
        self._max_participants = max_participants
        self._taken: set[tuple[str, str]] = set()

    def participant_joined(self, call: str, participant: str) -> LatestFrames:
        """Pass a join on. Raises SeatError where the seat is taken or there is no room."""
        self._check(call, participant)
        frames = self._listener.participant_joined(call, participant)
        self._taken.add((call, participant))
        return frames

    def faces_joined(self, call: str, participant: str) -> LatestFaces:
        """The same for a participant whose video is decoded elsewhere."""
        self._check(call, participant)
        faces = self._listener.faces_joined(call, participant)
        self._taken.add((call, participant))
        return faces

    def participant_left(self, call: str, participant: str, why: str) -> None:
        """Pass the end on, and free the seat."""
        self._taken.discard((call, participant))
        self._listener.participant_left(call, participant, why)

    def _check(self, call: str, participant: str) -> None:
        if (call, participant) in self._taken:
            raise SeatError(f"somebody else is {participant} in {call} already")
        if len(self._taken) >= self._max_participants:
            raise SeatError(f"all {self._max_participants} streams are in use; raise calls.max_participants")
