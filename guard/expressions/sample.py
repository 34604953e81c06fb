"""What a tracker saw in one face frame of one participant, and whom it comes from and goes to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from guard.expressions.lifecycle import OFF, TrackerStatus
from guard.media.front_end import FaceFrame
from guard.seat_key import SeatKey


@dataclass(frozen=True, slots=True)
class ExpressionSample:
    """seconds: media time of the frame; per seat it grows, unless the sender sets its own clock back.

    arrival_seconds: when the frame came, on the guard's clock, however long the tracker took for it.
    blendshapes: float32 (52,), 0-1, in MediaPipe's order. signals: float32 (17,), as `engines.expressions.signals`
    defines them. found: False where the tracker saw no face in the crop; all numbers are 0 then.
    """

    seat: SeatKey
    seconds: float
    blendshapes: NDArray[np.float32]
    signals: NDArray[np.float32]
    found: bool
    arrival_seconds: float


class ExpressionSource(Protocol):
    """Where the pipeline gives its face frames, and gets samples back. Nothing here ever waits for a tracker."""

    @property
    def status(self) -> TrackerStatus: ...

    def offer(self, seat: SeatKey, face: FaceFrame) -> None:
        """Take a face frame or leave it: thinned to the configured rate, and the oldest goes where too many wait."""

    def leave(self, seat: SeatKey) -> None:
        """The participant has left: what was known of the face goes, and no sample of theirs comes out any more."""

    def take(self) -> Sequence[ExpressionSample]:
        """What has come out since the last call, in the order of the frames of each seat."""


class ExpressionWatch(Protocol):
    """Who makes something of samples. Called on the pipeline's thread: it must not take long."""

    def join(self, seat: SeatKey) -> None:
        """A participant's video starts."""

    def observe(self, seat: SeatKey, sample: ExpressionSample, now: float) -> None:
        """One more sample of this participant. now: when its frame came, on the pipeline's clock."""

    def leave(self, seat: SeatKey) -> None:
        """The participant has left."""


class NoExpressions:
    """In place of a source where expressions are off, and of a watch where nobody looks."""

    status = OFF

    def offer(self, seat: SeatKey, face: FaceFrame) -> None:
        """Nobody tracks it."""

    def take(self) -> Sequence[ExpressionSample]:
        """Nothing comes."""
        return ()

    def join(self, seat: SeatKey) -> None:
        """Nobody waits for them."""

    def observe(self, seat: SeatKey, sample: ExpressionSample, now: float) -> None:
        """Nobody looks at it."""

    def leave(self, seat: SeatKey) -> None:
        """There is nothing to forget."""
