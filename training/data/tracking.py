"""From a video to a motion track: where the face is in each frame, and its shape without place, size and roll."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engines.expressions.face_landmarker import BLENDSHAPES, POINTS, FindFace
from training.data.strict_decoding import decoded_frames
from training.errors import DataError

_OUTER_CORNERS = (33, 263)
"""Of the person's right and left eye, which are left and right in the picture."""
_COMPONENTS = 96
_FEWEST_FRAMES = 16


@dataclass(frozen=True, slots=True)
class TrackedVideo:
    """All frames of a video.

    shape: float32 (T, 478, 2), in units of the distance of the outer eye corners, from the point between them, roll
    removed. frame: float32 (T, 4), that point and that distance in pixels, roll in radians. blend: uint8 (T, 52),
    blendshape scores * 255. ok: bool (T,), where a face was found; 0 elsewhere. size: width and height in pixels.
    """

    shape: NDArray[np.float32]
    frame: NDArray[np.float32]
    blend: NDArray[np.uint8]
    ok: NDArray[np.bool_]
    fps: float
    size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class ShapeBasis:
    """mean: float32 (478, 2). components: float32 (k, 478, 2), orthonormal."""

    mean: NDArray[np.float32]
    components: NDArray[np.float32]

    def coefficients(self, shape: NDArray[np.float32]) -> NDArray[np.float32]:
        """Of shapes (T, 478, 2): (T, k)."""
        flat = self.components.reshape(len(self.components), -1)
        return np.asarray((shape - self.mean).reshape(len(shape), -1) @ flat.T, np.float32)


def track_video(path: Path, find: FindFace) -> TrackedVideo:
    """Every frame through the finder. Raises DataError for a file that cannot be used whole, or without a face."""
    shape, frame, blend, seconds = [], [], [], []
    size = (0, 0)
    for time, picture in decoded_frames(path):
        face = find(picture.to_ndarray(format="rgb24").astype(np.uint8, copy=False), round(1000 * (time + 1)))
        seconds.append(time)
        size = (picture.width, picture.height)
        found = None if face is None else upright(face.points)
        shape.append(np.zeros((POINTS, 2)) if found is None else found[0])
        frame.append(np.zeros(4) if found is None else found[1])
        blend.append(np.zeros(BLENDSHAPES) if face is None else np.clip(face.blendshapes, 0, 1) * 255)
    if len(seconds) < _FEWEST_FRAMES:
        raise DataError(f"has {len(seconds)} frames; {_FEWEST_FRAMES} at least are needed")
    places = np.asarray(frame, np.float32)
    ok = places[:, 2] > 0
    if not ok.any():
        raise DataError("shows no face")
    fps = 1 / float(np.median(np.diff(seconds)))
    return TrackedVideo(np.asarray(shape, np.float32), places, np.rint(blend).astype(np.uint8), ok, fps, size)


def upright(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Points (478, 2) in pixels without place, size and roll, and these (4,); None for eyes in one place."""
    right, left = points[_OUTER_CORNERS[0]], points[_OUTER_CORNERS[1]]
    across = left - right
    distance, roll = np.hypot(*across), np.arctan2(across[1], across[0])
    if distance == 0:
        return None
    middle = (right + left) / 2
    cos, sin = np.cos(roll), np.sin(roll)
    shape = (points - middle) @ np.array([[cos, -sin], [sin, cos]]) / distance
    return shape, np.array([*middle, distance, roll])


def fit_basis(shapes: NDArray[np.float32]) -> ShapeBasis:
    """The principal components of shapes (n, 478, 2), 96 of them or as many as there are."""
    mean = shapes.mean(0)
    _, _, rows = np.linalg.svd((shapes - mean).reshape(len(shapes), -1), full_matrices=False)
    kept = rows[:_COMPONENTS].reshape(-1, POINTS, 2)
    return ShapeBasis(mean.astype(np.float32), kept.astype(np.float32))
