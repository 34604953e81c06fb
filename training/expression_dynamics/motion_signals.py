"""The 17 signals of drivers in the motion bank, at the rate at which the guard's tracker runs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engines.expressions.signals import landmark_signals
from training.drivers.face_basis import generic_face
from training.drivers.landmarks import MEDIAPIPE_INDICES
from training.drivers.motion import DriverMotion
from training.expression_dynamics.recordings import Floats

WITNESS_HZ = 12.5
"""Default of the guard's tracker."""
_POINTS = 478
_STAND_INS = {75: 98, 305: 327}
"""Points that signals read and the motion bank leaves out, and the bank's next ones: both sides of the nostrils."""


def signals_of(motion: DriverMotion, rate_hz: float = WITNESS_HZ) -> Floats:
    """Signals float32 (n, 17) of a motion put on the generic face, as tracked `rate_hz` times a second.

    The tracker is given the first picture that is due, and the guard brings what it finds to an even rate by linear
    interpolation; so does this.
    """
    seen = _thinned(len(motion), motion.fps, rate_hz)
    signals = landmark_signals(_all_points(motion.landmarks[seen]))
    seconds = seen / motion.fps
    wanted = np.arange(int(seconds[-1] * rate_hz + 1e-6) + 1) / rate_hz
    return np.stack([np.interp(wanted, seconds, column) for column in signals.T], axis=1).astype(np.float32)


def _thinned(frames: int, fps: float, rate_hz: float) -> NDArray[np.int64]:
    """Frames that are due, the first one first."""
    kept, due = [], 0.0
    for frame in range(frames):
        if frame / fps >= due - 1e-6:
            kept.append(frame)
            due += 1 / rate_hz
    return np.array(kept, np.int64)


def _all_points(landmarks: NDArray[np.float32]) -> NDArray[np.float64]:
    """MediaPipe's points (n, 478, 2) on the generic face of relative landmarks (n, 95, 2), NaN where there are none."""
    points = np.full((len(landmarks), _POINTS, 2), np.nan)
    points[:, MEDIAPIPE_INDICES] = generic_face() + landmarks
    for missing, stand_in in _STAND_INS.items():
        points[:, missing] = points[:, stand_in]
    return points
