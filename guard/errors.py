"""Errors of the guard package.

GuardError
├── ConfigError           a setting that is missing, out of bounds or contradictory
├── SourceError           a call, track or file that gives no usable video
│   ├── NoVideoError      a file that is no video, or holds none
│   ├── NoFaceError       a video in which no face can be followed
│   ├── SignallingError   an offer that cannot be accepted (its `status` is the HTTP status to answer with)
│   ├── SeatError         a seat that is taken, or no room for another participant
│   └── JoinError         a call that could not be joined
├── NotInCallError        this participant is not in that call (any more)
├── EnrolmentError        an enrolment that was refused: too short, poor quality, no consent
│   └── EnrolmentBusyError    an enrolment of this participant runs already
├── TemplateError         trouble with stored templates
│   ├── UnknownNameError  nobody of this name is enrolled
│   └── StoreError        the template store cannot be read or written (full disk, damaged, locked)
├── SidecarError          a process that the guard started cannot run, or ended
│   ├── ExpressionError   expressions cannot be tracked
│   └── PersonModelError  person models cannot be learnt or asked
└── ServerError           the running guard cannot be reached or refused a request
"""

from __future__ import annotations


class GuardError(Exception):
    """Base of everything that this package raises on purpose; the text says what, why and what to do."""

    retryable = False
    """True where the same request may go through later."""


class ConfigError(GuardError):
    """A setting that is missing, out of bounds or contradictory."""


class SourceError(GuardError):
    """A call, track or file that gives no usable video."""


class NoVideoError(SourceError):
    """A file that is no video, or holds no video stream."""


class NoFaceError(SourceError):
    """A video in which no face can be followed."""


class SignallingError(SourceError):
    """An SDP offer or answer that cannot be accepted; `status` is the HTTP status to answer an offer with."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class SeatError(SourceError):
    """A seat that is taken, or no room for another participant."""


class JoinError(SourceError):
    """A call that could not be joined; `retryable` says whether to try again, at the earliest after some time."""

    def __init__(self, message: str, *, retryable: bool = True, retry_after_seconds: float = 0.0) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.retry_after_seconds = retry_after_seconds


class NotInCallError(GuardError):
    """This participant is not in that call, or not any more."""


class EnrolmentError(GuardError):
    """An enrolment that was refused: too short, poor quality, no consent."""


class EnrolmentBusyError(EnrolmentError):
    """An enrolment of this participant runs already."""

    retryable = True


class TemplateError(GuardError):
    """Trouble with stored templates."""


class UnknownNameError(TemplateError):
    """Nobody of this name is enrolled."""


class StoreError(TemplateError):
    """The template store cannot be read or written: full disk, damaged file, locked by another process."""

    retryable = True


class SidecarError(GuardError):
    """A process that the guard started cannot run, or ended; `retryable` where another one may do better."""

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable


class ExpressionError(SidecarError):
    """Expressions cannot be tracked."""


class PersonModelError(SidecarError):
    """Person models cannot be learnt, or cannot be asked."""


class ServerError(GuardError):
    """The running guard cannot be reached, or refused a request."""

    retryable = True
