"""Targets: whose appearance is shown. Every target image is brought into one canonical framing in face units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import cv2
import numpy as np
from numpy.typing import NDArray

from training.drivers.landmarks import LANDMARKS, eye_frame, to_face_units
from training.errors import DataError

TARGET_SIZE_PX = 224
TARGET_SPAN = 5.0
"""Side of the canonical target image in face units."""
TARGET_ORIGIN = (2.5, 2.2)
"""Face-unit distance from the image's left and top edge to the point between the eyes."""


@dataclass(frozen=True, slots=True)
class View:
    """A camera's look at a target: which rectangle of the face-unit plane fills a picture of what size."""

    left: float
    """Face-unit x of the picture's left edge."""
    top: float
    unit_px: float
    """Pixels per face unit."""
    width_px: int
    height_px: int

    def points_px(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Face units (..., 2) -> pixel coordinates, the centre of the first pixel being (0, 0)."""
        return np.asarray((points - np.array([self.left, self.top])) * self.unit_px - 0.5)

    def grid(self) -> NDArray[np.float32]:
        """Face-unit coordinates of all pixel centres, float32 (H, W, 2)."""
        x = (np.arange(self.width_px) + 0.5) / self.unit_px + self.left
        y = (np.arange(self.height_px) + 0.5) / self.unit_px + self.top
        return np.stack(np.meshgrid(x, y), axis=-1).astype(np.float32)


CANONICAL_VIEW = View(
    -TARGET_ORIGIN[0], -TARGET_ORIGIN[1], TARGET_SIZE_PX / TARGET_SPAN, TARGET_SIZE_PX, TARGET_SIZE_PX
)


def crop_view(center: tuple[float, float], side: float, size_px: int = 128) -> View:
    """The square view of `side` face units around a centre, `size_px` pixels wide, as the live crop sees the face."""
    return View(center[0] - side / 2, center[1] - side / 2, size_px / side, size_px, size_px)


@dataclass(frozen=True, slots=True)
class TargetSet:
    """Gray targets in canonical framing: images uint8 (N, 224, 224), full-range luma; landmarks float32 (N, 95, 2)."""

    images: NDArray[np.uint8]
    landmarks: NDArray[np.float32]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        count = len(self.names)
        size = (count, TARGET_SIZE_PX, TARGET_SIZE_PX)
        if self.images.shape != size or self.landmarks.shape != (count, LANDMARKS, 2):
            raise ValueError(
                f"{count} targets need images {size} and landmarks ({count}, {LANDMARKS}, 2), "
                f"got {self.images.shape} and {self.landmarks.shape}"
            )

    def __len__(self) -> int:
        return len(self.names)

    def subset(self, indices: Sequence[int]) -> TargetSet:
        rows = np.asarray(indices, np.int64)
        return TargetSet(self.images[rows], self.landmarks[rows], tuple(self.names[row] for row in rows))

    def joined(self, other: TargetSet) -> TargetSet:
        return TargetSet(
            np.concatenate([self.images, other.images]),
            np.concatenate([self.landmarks, other.landmarks]),
            self.names + other.names,
        )

    def save(self, path: Path) -> None:
        """Write everything that `load` reads; the folder is made where it is missing."""
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, images=self.images, landmarks=self.landmarks, names=np.array(self.names))

    @staticmethod
    def load(path: Path) -> TargetSet:
        """Raises DataError where the file is missing or not a saved target set."""
        try:
            with path.open("rb") as file, np.load(file) as arrays:
                return TargetSet(arrays["images"], arrays["landmarks"], tuple(str(name) for name in arrays["names"]))
        except (OSError, KeyError, ValueError, BadZipFile) as error:
            raise DataError(f"cannot read targets from {path}: {error}; make them anew") from error


def frame_target(
    gray: NDArray[np.uint8], landmarks_px: NDArray[np.floating]
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """One gray image (H, W) with landmarks (95, 2) in its pixels -> canonical image (224, 224) and face-unit landmarks.

    Roll is removed; where the image ends, its edge pixels are repeated.
    """
    middle, distance, roll = eye_frame(landmarks_px)
    scale = CANONICAL_VIEW.unit_px / float(distance)
    cos, sin = np.cos(float(roll)) * scale, np.sin(float(roll)) * scale
    turn = np.array([[cos, sin], [-sin, cos]])
    shift = CANONICAL_VIEW.points_px(np.zeros(2)) - turn @ middle
    if scale < 1:  # shrinking: blur first, bilinear look-up would alias
        gray = cv2.GaussianBlur(gray, (0, 0), 0.45 / scale).astype(np.uint8, copy=False)
    framed = cv2.warpAffine(
        gray,
        np.concatenate([turn, shift[:, None]], axis=1),
        (TARGET_SIZE_PX, TARGET_SIZE_PX),
        flags=cv2.INTER_LINEAR if scale < 1 else cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(framed, np.uint8), to_face_units(landmarks_px).astype(np.float32)
