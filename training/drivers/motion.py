"""Motion of a driver without the driver's face: what is left of a clip when its own neutral is taken away."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.drivers.landmarks import LANDMARKS, PART, STANDARD_APERTURE, eye_apertures

_APERTURE_RANGE = (0.04, 0.25)
"""Neutral eye openings outside this range are tracker failures or closed eyes; they are not taken at face value."""


@dataclass(frozen=True, slots=True)
class DriverMotion:
    """Landmark and head motion of one driver, ready to move any target.

    landmarks: float32 (T, 95, 2), face units, relative to the driver's own neutral; lids are written for an eye of
    STANDARD_APERTURE. head: float32 (T, 4) = x, y (face units), scale (1 = neutral), roll (radians), relative to the
    driver's usual pose.
    """

    landmarks: NDArray[np.float32]
    head: NDArray[np.float32]
    fps: float

    def __post_init__(self) -> None:
        frames = self.landmarks.shape[0]
        if self.landmarks.shape != (frames, LANDMARKS, 2) or self.head.shape != (frames, 4):
            raise ValueError(
                f"motion needs landmarks (T, {LANDMARKS}, 2) and head (T, 4), "
                f"got {self.landmarks.shape} and {self.head.shape}"
            )

    def __len__(self) -> int:
        return int(self.landmarks.shape[0])

    def window(self, start: int, frames: int) -> DriverMotion:
        """Frames start .. start + frames - 1. Raises ValueError where the motion does not hold them."""
        if start < 0 or start + frames > len(self):
            raise ValueError(f"window {start}..{start + frames} does not fit into {len(self)} frames")
        return DriverMotion(self.landmarks[start : start + frames], self.head[start : start + frames], self.fps)


def relative_motion(shape: NDArray[np.floating], neutral: NDArray[np.floating]) -> NDArray[np.float32]:
    """Face-unit landmarks (T, 95, 2) minus a neutral (95, 2), with the lids brought to STANDARD_APERTURE.

    Absolute landmarks tell people apart by their bones; only the difference to the own neutral may reach a renderer.
    """
    motion = np.asarray(shape - neutral, np.float32).copy()
    openings = np.clip(eye_apertures(neutral), *_APERTURE_RANGE)
    for side, opening in zip(("right", "left"), openings, strict=True):
        for lid in ("upper", "lower"):
            motion[:, PART[f"{lid}_lid_{side}"], 1] *= STANDARD_APERTURE / opening
    return motion


def relative_head(frame: NDArray[np.floating]) -> NDArray[np.float32]:
    """In-plane head frame (T, 4) = x, y, eye distance (pixels), roll (radians) -> relative head motion (T, 4)."""
    usual = np.median(frame, axis=0)
    return np.stack(
        [
            (frame[:, 0] - usual[0]) / usual[2],
            (frame[:, 1] - usual[1]) / usual[2],
            frame[:, 2] / usual[2],
            frame[:, 3] - usual[3],
        ],
        axis=1,
    ).astype(np.float32)
