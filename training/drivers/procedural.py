"""Artificial drivers: any number of people by seed, each with lasting habits, saying something else in every take.

    driver = ProceduralDriver(seed)
    motion = driver.motion(seconds=10, fps=30, take=3)

numpy only, nothing measured from real people; the same code drives training and the product's demo.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from training.drivers import expressions
from training.drivers.face_basis import CONTROL, CONTROLS, control_basis, generic_face
from training.drivers.head import head_pose, turn
from training.drivers.motion import DriverMotion, relative_motion
from training.drivers.seeds import stream
from training.drivers.speech import STEP_HZ, speak
from training.drivers.traits import Traits, draw_traits
from training.drivers.visemes import MOUTH_CONTROLS

_TAKE_STREAM = 12
_NEUTRAL_TAKE = 2**31 - 1
_NEUTRAL_SECONDS = 40.0
_LEAD_SECONDS = 1.0
"""Every take starts that long before its first frame, so that no filter starts from rest in view."""


class ProceduralDriver:
    """One artificial person. Equal seeds are equal people; takes are different sentences of that person.

    Motion is relative to the person's own neutral, the median over a long take that nobody else sees, so a face at
    rest does not tell who drives.
    """

    def __init__(self, seed: int) -> None:
        if seed < 0:
            raise ValueError(f"a driver's seed is 0 or more, got {seed}")
        self.seed = seed
        self._traits: Traits = draw_traits(seed)

    def motion(self, seconds: float, fps: float, take: int = 0) -> DriverMotion:
        """Motion of the first `seconds` of a take at `fps`: a longer call begins with the same frames.

        Raises ValueError for a duration or rate that is not positive.
        """
        if seconds <= 0 or fps <= 0:
            raise ValueError(f"seconds and fps must be above 0, got {seconds} and {fps}")
        landmarks, head = self._seen(seconds, fps, take)
        shape, pose = self._neutral
        centred = head - pose
        centred[:, 2] = head[:, 2] / pose[2]
        return DriverMotion(relative_motion(landmarks, shape), centred.astype(np.float32), fps)

    @cached_property
    def _neutral(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        landmarks, head = self._seen(_NEUTRAL_SECONDS, 15.0, _NEUTRAL_TAKE)
        return np.median(landmarks, axis=0), np.median(head, axis=0)

    def _seen(self, seconds: float, fps: float, take: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Landmarks (T, 95, 2) in face units and head (T, 4), neutral still in."""
        controls, pose = self._steps(seconds + _LEAD_SECONDS, take)
        frames = max(1, round(seconds * fps))
        at = np.minimum((_LEAD_SECONDS + np.arange(frames) / fps) * STEP_HZ, len(controls) - 1)
        moved = _read(controls, at) @ control_basis().reshape(len(CONTROLS), -1).astype(np.float64)
        face = generic_face() + moved.reshape(frames, -1, 2)
        return turn(face, _read(pose, at))

    def _steps(self, seconds: float, take: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Controls (steps, CONTROLS) and head pose (steps, 6) at STEP_HZ."""
        traits = self._traits
        streams = [stream(_TAKE_STREAM, self.seed, take, part) for part in range(6)]
        speech = speak(traits.speech, seconds, streams[0])
        controls = np.zeros((len(speech.mouth), len(CONTROLS)))
        for column, name in enumerate(MOUTH_CONTROLS):
            controls[:, CONTROL[name]] = speech.mouth[:, column]
        for side, column in (("right", 0), ("left", 1)):
            controls[:, CONTROL[f"smile_{side}"]] = speech.corners[:, column]
        expressions.blink(traits.blink, controls, speech.phrase_ends, streams[1])
        expressions.brows(traits.brow, controls, speech.stresses, streams[2])
        expressions.smiles(traits.smile, controls, streams[3])
        expressions.gaze(traits.gaze, controls, streams[4])
        return controls, head_pose(traits.head, len(controls), speech.stresses, streams[5])


def _read(steps: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear look-up of rows at fractional positions."""
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, len(steps) - 1)
    part = (at - low)[:, None]
    return np.asarray(steps[low] * (1 - part) + steps[high] * part)
