"""How a face frame of the engine is shown to the face tracker: one function for live calls, files and training."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_ENLARGED = 2
"""What the finder cuts out of a crop it samples bilinearly; enlarged before, that is smoother. Measured, see README."""


def enlarged(luma: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """uint8 (128, 128) full-range luma to a grey picture uint8 (256, 256, 3)."""
    large = cv2.resize(luma, None, fx=_ENLARGED, fy=_ENLARGED, interpolation=cv2.INTER_CUBIC)
    grey: NDArray[np.uint8] = np.repeat(large[..., None], 3, axis=2)
    return grey
