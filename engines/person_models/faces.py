"""Faces as person models take them: the engines' crops at half their side."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engines.errors import EngineInputError
from engines.protocol import FRAME_SIZE_PX

FACE_SIDE_PX = 64
FACE_BYTES = FACE_SIDE_PX * FACE_SIDE_PX
PAIRS_A_PROBE = 4
PAIR_SECONDS = 0.32
"""Between the faces of a pair: what a syllable takes (our choice)."""
FEWEST_FRAMES = 100
"""Four seconds: with less a model learns by heart (our choice)."""
ENROLMENT_FRAMES = 500
"""About what the publication trains a person on."""


def small_faces(crops: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Crops (n, 128, 128) resized by area: the mean of 2x2 pixels, uint8 (n, 64, 64). Raises EngineInputError."""
    if crops.shape[1:] != (FRAME_SIZE_PX, FRAME_SIZE_PX) or crops.dtype != np.uint8:
        raise EngineInputError(
            f"faces are uint8 (n, {FRAME_SIZE_PX}, {FRAME_SIZE_PX}), got {crops.dtype} {crops.shape}"
        )
    factor = FRAME_SIZE_PX // FACE_SIDE_PX
    blocks = crops.reshape(len(crops), FACE_SIDE_PX, factor, FACE_SIDE_PX, factor)
    total = blocks.sum(axis=(2, 4), dtype=np.uint16)
    faces: NDArray[np.uint8] = ((total + factor**2 // 2) // factor**2).astype(np.uint8)
    return faces
