"""What the guard says about a participant, and why it may say nothing."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class DriverState(StrEnum):
    """What the guard says about one participant. Missing evidence is never `verified`."""

    WARMING = "warming"
    VERIFIED = "verified"
    UNCERTAIN = "uncertain"
    MISMATCH = "mismatch"
    ABSTAIN = "abstain"
    UNENROLLED = "unenrolled"


class AbstainReason(StrEnum):
    """Why there is no verdict. The value is for programs and stays as it is; `words` are for people."""

    words: str

    def __new__(cls, code: str, words: str) -> Self:
        member = str.__new__(cls, code)
        member._value_ = code
        member.words = words
        return member

    NO_FACE = "no_face", "no face"
    FRAME_RATE_TOO_LOW = "frame_rate_too_low", "frame rate too low"
    STALLED = "stalled", "no frames"
    MISDATED = "misdated", "time stamps disagree with the clock"
    FROZEN = "frozen", "the picture is frozen"
    REPLAYED = "replayed", "the video repeats itself"
    UNSTEADY = "unsteady", "too many breaks"
    ENGINE_CHANGED = "engine_changed", "template belongs to another engine"
    ENGINE_FAILED = "engine_failed", "engine failed"
    ENGINE_FULL = "engine_full", "engine has no room for more participants"
