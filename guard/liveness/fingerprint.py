"""A face crop, small enough to be remembered and coarse enough that a codec hardly changes it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

FINGERPRINT_SIDE = 16
COARSE_SIDE = 8


def fingerprint(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Mean grey level of each block of a crop: uint8 (128, 128) to float32 (16, 16), not rounded."""
    side = (FINGERPRINT_SIDE, FINGERPRINT_SIDE)
    return cv2.resize(pixels.astype(np.float32), side, interpolation=cv2.INTER_AREA).astype(np.float32, copy=False)


def coarse(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """A fingerprint at half the resolution, flat: float32 (16, 16) to (64,)."""
    side = (COARSE_SIDE, COARSE_SIDE)
    return cv2.resize(picture, side, interpolation=cv2.INTER_AREA).ravel().astype(np.float32, copy=False)
