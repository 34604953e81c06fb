"""Face frames whose pixels tell when they were made."""

from __future__ import annotations

import numpy as np

from guard.media.front_end import FaceFrame

LATE_SECONDS = 100.0
"""By which the guard's clock is ahead of media time."""


def face(seconds: float, *, continues: bool = True) -> FaceFrame:
    pixels = np.full((128, 128), round(100 * seconds) % 256, np.uint8)
    return FaceFrame(pixels, continues, seconds, LATE_SECONDS + seconds, None, 1, 30.0, 0.0)
