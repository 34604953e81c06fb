"""One participant, as the pipeline knows them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from guard.calls.source import LatestFrames, ReceivedFrame
from guard.liveness.watch import LivenessWatch
from guard.media.front_end import FaceFrame, FaceFrontEnd
from guard.media.latest_faces import LatestFaces
from guard.seat_key import SeatKey
from guard.verify.decision import Verdict
from guard.verify.enrolment import Enrolment
from guard.verify.states import AbstainReason
from guard.verify.verifier import Verifier
from guard.verify.witnesses import Opinion


@dataclass(slots=True)
class Seat:
    """From the start of their video to its end."""

    key: SeatKey
    slot: int
    frames: LatestFrames | LatestFaces
    front_end: FaceFrontEnd
    """Has nothing to do where face frames come."""
    verifier: Verifier
    liveness: LivenessWatch
    last_face_seconds: float | None = None
    last_abstained_seconds: float = -np.inf
    missing: AbstainReason | None = None
    """Why the newest frames could not be used; None while they can."""
    last_received: ReceivedFrame | None = None
    """The newest picture; None where face frames come."""
    last_face: FaceFrame | None = None
    """The newest frame for the engine."""
    breaks: int = 0
    """How many face frames so far did not continue the one before; the first counts."""
    window_over: bool = True
    """Whether the engine must forget the slot's window before the next frame: at first it is that of another seat."""
    doubted: bool = False
    """Whether the newest frame that the engine took was no evidence."""
    enrolment: Enrolment | None = None
    announced_progress: float = 0.0
    verdict: Verdict | None = None
    opinion: Opinion | None = None
    """What was said about the seat when `settle` last asked."""
