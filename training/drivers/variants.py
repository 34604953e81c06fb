"""More people out of the same recordings: played faster or slower, and seen in a mirror.

How fast somebody moves and which side leads are habits, so a retimed or mirrored person counts as somebody else, as
speaker recognition does with retimed voices (Yamamoto et al., Speaker Augmentation and Bandwidth Extension for Deep
Speaker Embedding, 2019). Only training does so: who is verified is always somebody real, or a seed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.drivers.landmarks import LANDMARKS, PART
from training.drivers.motion import DriverMotion
from training.drivers.resampling import resample

_SIDED = ("brow", "corners", "upper_lid", "lower_lid", "iris")
_ACROSS = ("nostrils", "mouth_corners", "upper_lip_outer", "upper_lip_inner", "lower_lip_inner", "lower_lip_outer")


def _mirror_order() -> NDArray[np.int64]:
    order = np.arange(LANDMARKS)
    for part in _SIDED:
        order[PART[f"{part}_right"]], order[PART[f"{part}_left"]] = (
            order[PART[f"{part}_left"]].copy(),
            order[PART[f"{part}_right"]].copy(),
        )
    for part in (*_ACROSS, "cheeks"):
        order[PART[part]] = order[PART[part]][::-1].copy()
    oval = order[PART["oval"]].copy()
    order[PART["oval"]] = np.roll(oval[::-1], 1)
    return order


MIRROR_ORDER = _mirror_order()
"""int64 (95,): landmark l of a mirrored face is where landmark MIRROR_ORDER[l] was."""


def mirrored(motion: DriverMotion) -> DriverMotion:
    """The same motion with left and right exchanged."""
    landmarks = motion.landmarks[:, MIRROR_ORDER] * np.array([-1, 1], np.float32)
    return DriverMotion(landmarks, motion.head * np.array([-1, 1, 1, -1], np.float32), motion.fps)


def at_tempo(motion: DriverMotion, tempo: float) -> DriverMotion:
    """The same motion `tempo` times as fast, at the same frame rate. Raises ValueError for a tempo that is none."""
    if tempo <= 0:
        raise ValueError(f"a tempo is above 0, got {tempo}")
    count = int((len(motion) - 1) / tempo + 1e-6) + 1
    flat = np.concatenate([motion.landmarks.reshape(len(motion), -1), motion.head], axis=1)
    played = resample(flat, np.arange(len(motion)) / motion.fps, np.arange(count) * tempo / motion.fps)
    return DriverMotion(played[:, :-4].reshape(count, LANDMARKS, 2), played[:, -4:], motion.fps)
