"""What the guard says about a participant, and why it may say nothing."""

from __future__ import annotations

from enum import StrEnum


class DriverState(StrEnum):
    """What the guard says about one participant. Missing evidence is never `verified`."""

    WARMING = "warming"
    VERIFIED = "verified"
    UNCERTAIN = "uncertain"
    MISMATCH = "mismatch"
    ABSTAIN = "abstain"
    UNENROLLED = "unenrolled"


class AbstainReason(StrEnum):
    """Why there is no verdict."""

    NO_FACE = "no face"
    FRAME_RATE_TOO_LOW = "frame rate too low"
    STALLED = "no frames"
    MISDATED = "time stamps disagree with the clock"
    FROZEN = "the picture is frozen"
    REPLAYED = "the video repeats itself"
    UNSTEADY = "too many breaks"
    ENGINE_CHANGED = "template belongs to another engine"
    ENGINE_FAILED = "engine failed"
    ENGINE_FULL = "engine has no room for more participants"
