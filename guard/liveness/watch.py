"""Why the newest video of one participant is no evidence, if it is none."""

from __future__ import annotations

from guard.liveness.arrivals import ArrivalWatch
from guard.liveness.fingerprint import fingerprint
from guard.liveness.repetition import RepetitionWatch
from guard.liveness.stillness import StillnessWatch
from guard.media.front_end import FaceFrame
from guard.verify.states import AbstainReason

_STARVED_HOLD_SECONDS = 1.0
"""Bursts must not turn every pause into another verdict."""


class LivenessWatch:
    """No fresh frames, a starved or misdated stream, a frozen picture, a loop. About 0.06 ms a frame and 0.7 MB."""

    def __init__(self, min_fps: float, stalled_seconds: float, now: float) -> None:
        self._arrivals = ArrivalWatch(min_fps)
        self._stillness = StillnessWatch()
        self._repetition = RepetitionWatch()
        self._stalled_seconds = stalled_seconds
        self._last_received = now
        self._starved_at: float | None = None

    def received(self, arrival_seconds: float, pts_seconds: float) -> None:
        """A frame has come, whatever it shows."""
        if arrival_seconds - self._last_received > self._stalled_seconds:
            self._arrivals.restart()
            self._starved_at = None
        self._last_received = arrival_seconds
        self._arrivals.received(arrival_seconds, pts_seconds)

    def no_face(self) -> None:
        """It could not be judged, for a reason of its own."""
        self._arrivals.no_face()
        self._starved_at = None

    def face(self, frame: FaceFrame) -> AbstainReason | None:
        """A frame for the engine has come; why it is no evidence, or None."""
        self._arrivals.face(frame.arrival_seconds)
        picture = fingerprint(frame.pixels)
        self._stillness.step(picture, frame.crop_generation, frame.pts_seconds)
        self._repetition.step(picture, frame.crop_generation, frame.pts_seconds)
        return self.reason(frame.arrival_seconds)

    def reason(self, now: float) -> AbstainReason | None:
        """Why there is nothing to judge at this moment, or None."""
        if now - self._last_received > self._stalled_seconds:
            return AbstainReason.STALLED
        if self._arrivals.misdated(now):
            return AbstainReason.MISDATED
        if self._starved(now):
            return AbstainReason.FRAME_RATE_TOO_LOW
        if self._stillness.frozen:
            return AbstainReason.FROZEN
        return AbstainReason.REPLAYED if self._repetition.repeating else None

    def _starved(self, now: float) -> bool:
        if self._arrivals.starved(now):
            self._starved_at = now
        return self._starved_at is not None and now - self._starved_at < _STARVED_HOLD_SECONDS
