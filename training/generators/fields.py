"""From moved landmarks to dense motion: two smooth displacement fields for each target, linear in the landmarks.

Eyes and mouth are slits: what lies above may part from what lies below. So there is an *upper* field (it knows the
upper lids and the upper lip) and a *lower* field (lower lids, lower lip); both know everything else.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.drivers.landmarks import LANDMARKS, PART, STANDARD_APERTURE, eye_apertures

FIELD_CELLS = 64
FIELD_SPAN = 4.0
FIELD_ORIGIN = (-2.0, -1.6)
"""The fields cover this square of the face-unit plane; outside it they keep their edge value, which is near 0."""

_UPPER_ONLY = ("upper_lid_right", "upper_lid_left", "upper_lip_outer", "upper_lip_inner")
_LOWER_ONLY = ("lower_lid_right", "lower_lid_left", "lower_lip_outer", "lower_lip_inner")
_KERNEL_LENGTH = 0.45
_RIDGE = 2e-3
_APERTURE_RANGE = (0.035, 0.25)


def _known(without: tuple[str, ...]) -> NDArray[np.int64]:
    skip = {index for name in (*without, "iris_right", "iris_left") for index in range(LANDMARKS)[PART[name]]}
    return np.array([index for index in range(LANDMARKS) if index not in skip])


KNOWN = (_known(_LOWER_ONLY), _known(_UPPER_ONLY))
"""Landmarks that rule the skin above the slits, and those that rule the skin below them; no irises."""


def _matern(points: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.float64]:
    """Matern 3/2 covariance of points (n, 2) and others (m, 2), (n, m)."""
    distance = np.linalg.norm(points[:, None] - others[None], axis=-1) * (np.sqrt(3) / _KERNEL_LENGTH)
    return np.asarray((1 + distance) * np.exp(-distance))


def _anchors() -> NDArray[np.float64]:
    """Points around the head that do not move with the face, (m, 2)."""
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    return np.stack([1.55 * np.cos(turn), 0.25 + 1.65 * np.sin(turn)], axis=1)


def field_points() -> NDArray[np.float64]:
    """Face-unit coordinates of the centres of the field cells, (64 * 64, 2), rows first."""
    step = (np.arange(FIELD_CELLS) + 0.5) * FIELD_SPAN / FIELD_CELLS
    x, y = np.meshgrid(step + FIELD_ORIGIN[0], step + FIELD_ORIGIN[1])
    return np.stack([x.ravel(), y.ravel()], axis=1)


def displacement_operator(landmarks: NDArray[np.floating]) -> NDArray[np.float32]:
    """Linear operator (2, 64 * 64, 95) from landmark motion to the upper and the lower field of one target.

    Gaussian-process interpolation with a Matern 3/2 kernel and a small ridge (Rasmussen and Williams, 2006, equations
    2.25 and 4.17): passes close by every landmark, and far away nothing moves.
    """
    anchors = _anchors()
    operator = np.zeros((2, FIELD_CELLS**2, LANDMARKS), np.float32)
    for field, known in enumerate(KNOWN):
        nodes = np.concatenate([landmarks[known], anchors])
        gram = _matern(nodes, nodes) + _RIDGE * np.eye(len(nodes))
        operator[field][:, known] = np.linalg.solve(gram, _matern(nodes, field_points())).T[:, : len(known)]
    return operator


def lid_gains(landmarks: NDArray[np.floating]) -> NDArray[np.float32]:
    """Factors (95, 2) that turn standard landmark motion into this target's: lids travel as far as its eyes open."""
    gains = np.ones((LANDMARKS, 2), np.float32)
    for side, opening in zip(("right", "left"), np.clip(eye_apertures(landmarks), *_APERTURE_RANGE), strict=True):
        for lid in ("upper", "lower"):
            gains[PART[f"{lid}_lid_{side}"], 1] = opening / STANDARD_APERTURE
    return gains


def inner_operator() -> NDArray[np.float32]:
    """Linear operator (3, 95) from landmark motion to that of the right eyeball, the left eyeball and the upper teeth.

    Eyeballs follow the iris, teeth follow the skull, of which the nose's root and base are the visible part.
    """
    operator = np.zeros((3, LANDMARKS), np.float32)
    operator[0, PART["iris_right"]] = 1
    operator[1, PART["iris_left"]] = 1
    nose = range(LANDMARKS)[PART["nose"]]
    operator[2, [nose[0], nose[4]]] = 0.3, 0.7
    return operator
