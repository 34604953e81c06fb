"""The compact set of 95 face landmarks in which every motion is written and every target is warped.

Coordinates are *face units*: the origin lies midway between the outer eye corners, x points to the image's right, y
down, and the distance of the outer eye corners is 1. "Right" and "left" in names are the subject's, so the right eye is
on the image's left.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_PARTS: dict[str, tuple[int, ...]] = {
    "brow_right": (70, 63, 105, 66, 107),
    "brow_left": (300, 293, 334, 296, 336),
    "corners_right": (33, 133),
    "corners_left": (263, 362),
    "upper_lid_right": (161, 160, 159, 158, 157),
    "upper_lid_left": (388, 387, 386, 385, 384),
    "lower_lid_right": (163, 144, 145, 153, 154),
    "lower_lid_left": (390, 373, 374, 380, 381),
    "iris_right": (468,),
    "iris_left": (473,),
    "nose": (168, 6, 195, 4, 2),
    "nostrils": (64, 98, 327, 294),
    "mouth_corners": (61, 78, 308, 291),
    "upper_lip_outer": (40, 37, 0, 267, 270),
    "upper_lip_inner": (80, 82, 13, 312, 310),
    "lower_lip_inner": (88, 87, 14, 317, 318),
    "lower_lip_outer": (91, 84, 17, 314, 321),
    "cheeks": (50, 205, 187, 411, 425, 280),
    "forehead": (9, 151),
    "oval": (10, 297, 284, 389, 454, 361, 397, 379, 400, 152, 176, 150, 172, 132, 234, 162, 54, 67),
}
"""Part -> indices in the 478 points of MediaPipe's Face Landmarker. Eyes run from the outer corner to the inner one,
brows from the temple to the nose, lips from the image's left to its right, the oval clockwise from the forehead."""

MEDIAPIPE_INDICES: NDArray[np.int64] = np.array([index for part in _PARTS.values() for index in part])
"""int64 (95,): the compact landmark l is MediaPipe's point MEDIAPIPE_INDICES[l]."""

LANDMARKS = len(MEDIAPIPE_INDICES)


def _slices() -> dict[str, slice]:
    ends = np.cumsum([len(part) for part in _PARTS.values()])
    return {name: slice(int(end) - len(part), int(end)) for (name, part), end in zip(_PARTS.items(), ends, strict=True)}


PART: dict[str, slice] = _slices()
"""Part name -> its slice of the compact set."""

STANDARD_APERTURE = 0.1
"""Eye opening (upper to lower lid, face units) for which the motion of lids is written: the renderer scales it to the
target's own opening, so that a blink closes every eye exactly."""


def eye_frame(points: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Midpoint (..., 2), distance (...) and roll in radians (...) of the outer eye corners of points (..., 95, 2)."""
    right = points[..., PART["corners_right"], :][..., 0, :].astype(np.float64)
    left = points[..., PART["corners_left"], :][..., 0, :].astype(np.float64)
    across = left - right
    return (right + left) / 2, np.hypot(across[..., 0], across[..., 1]), np.arctan2(across[..., 1], across[..., 0])


def to_face_units(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Remove place, size and roll: points (..., 95, 2) in any pixel frame -> face units."""
    middle, distance, roll = eye_frame(points)
    centred = points - middle[..., None, :]
    cos, sin = np.cos(roll)[..., None], np.sin(roll)[..., None]
    upright = np.stack(
        [centred[..., 0] * cos + centred[..., 1] * sin, centred[..., 1] * cos - centred[..., 0] * sin], axis=-1
    )
    return np.asarray(upright / distance[..., None, None])


def eye_apertures(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Opening of the (right, left) eye, (..., 2), of points (..., 95, 2): mean over the middle three lid pairs."""
    gaps = [
        (points[..., PART[f"lower_lid_{side}"], 1] - points[..., PART[f"upper_lid_{side}"], 1])[..., 1:4].mean(axis=-1)
        for side in ("right", "left")
    ]
    return np.stack(gaps, axis=-1)


def mouth_opening(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Distance of the inner lips in the middle of the mouth, (...), of points (..., 95, 2)."""
    gap = points[..., PART["lower_lip_inner"], 1] - points[..., PART["upper_lip_inner"], 1]
    return np.asarray(gap[..., 1:4].mean(axis=-1))
