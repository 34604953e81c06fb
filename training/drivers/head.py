"""Head motion of an artificial person, and what turning a rounded head does to its landmarks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.drivers.expressions import hill, wander
from training.drivers.face_basis import depth
from training.drivers.landmarks import eye_frame, to_face_units
from training.drivers.speech import STEP_HZ, lagged
from training.drivers.traits import HeadHabit

_TURN_LIMIT = 0.3


def head_pose(habit: HeadHabit, steps: int, stresses: list[float], rng: np.random.Generator) -> NDArray[np.float64]:
    """Pose (steps, 6) = x, y, scale - 1, roll, yaw, pitch: sway, nods on stressed syllables, quick small shakes."""
    time = np.arange(steps) / STEP_HZ
    sway = np.stack([wander(time, hz, rng) for hz in habit.sway_hz], axis=1)
    mixed = sway @ (habit.mix / np.linalg.norm(habit.mix, axis=1, keepdims=True)).T * habit.sway
    shake = habit.shake * wander(time, 1.4, rng)
    nod = np.zeros(steps)
    for at in stresses:
        chance, size = rng.random(2)
        if chance < habit.nod_share:
            start = at + habit.nod_lag_seconds
            nod += (0.5 + size) * hill(time, start, 0.4 * habit.nod_seconds, 0.0, 0.6 * habit.nod_seconds)
    pose = mixed + lagged(nod, 0.04)[:, None] * habit.nod
    pose[:, 4] += shake
    pose[:, 4:] = _TURN_LIMIT * np.tanh(pose[:, 4:] / _TURN_LIMIT)
    return np.asarray(pose)


def turn(face: NDArray[np.float64], pose: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Turn landmarks (T, 95, 2) by yaw and pitch of pose (T, 6): landmarks as seen, in face units, and head (T, 4).

    The head turns about a point behind the eyes under orthographic projection; place, size and roll of the outer eye
    corners go into head = x, y, scale, roll, as a tracker would report them.
    """
    front = depth() + 0.35
    yaw, pitch = pose[:, 4, None], pose[:, 5, None]
    x = face[..., 0] * np.cos(yaw) + front * np.sin(yaw)
    along = front * np.cos(yaw) - face[..., 0] * np.sin(yaw)
    y = face[..., 1] * np.cos(pitch) + along * np.sin(pitch)
    seen = np.stack([x, y], axis=-1)
    middle, distance, roll = eye_frame(seen)
    head = np.stack(
        [pose[:, 0] + middle[:, 0], pose[:, 1] + middle[:, 1], (1 + pose[:, 2]) * distance, pose[:, 3] + roll], axis=1
    )
    return to_face_units(seen), head
