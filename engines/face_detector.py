"""Finding the face in a luma plane."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.libfacedetection import face_boxes
from engines.pixels import CropBox, FaceBox, LumaPlane
from engines.stable_crop import fits

SEARCH_SIDE_PX = 320
"""The whole frame is searched at this many pixels on its longer side: finds faces from about a sixth of the height of a
16:9 frame, in 11 to 15 ms."""

NEAR_SIDE_PX = 160
"""The surroundings of a known face are searched at this side: 3 ms."""

GLANCE_SIDE_PX = 96
"""Before that, at this side, for a face that is where it should be: 0.7 ms."""

GLANCE_SHARE = 0.7
"""Of what `fits` allows. On real clips (tests/bench/face_glance.py: 546 frames, 8 boxes each) a glance is enough for
96 % of the boxes as they were drawn; of 2,174 times that the larger look wanted a new one, it was content 9
times. Of 2,730 covered faces it takes 116 for faces, the larger look 385."""

NEAR_REACH = 1.5
"""Side of these surroundings over the side of the crop."""

MIN_SCORE = 60
"""Of 100. Faces of real clips score 80 and more at these sizes, noise finds nothing."""

MIN_FACE_PX = 40
"""A smaller face is no face: most of its crop would be made up by enlarging."""


class FaceDetector(Protocol):
    """Finds the face to watch."""

    def detect(self, luma: LumaPlane, near: CropBox | None = None) -> FaceBox | None:
        """The largest confident face, from hair line to chin, in the plane's pixels; None where there is none.

        near: look around this crop first, which is cheaper and stays with the face that it shows; only then everywhere.
        A face that is well within what the crop may hold is told less exactly than one for which a new crop is due.
        """


class SlimFaceDetector:
    """libfacedetection, a small convolutional network. Keeps no state; thread-safe, one search at a time."""

    def detect(self, luma: LumaPlane, near: CropBox | None = None) -> FaceBox | None:
        """See FaceDetector."""
        if near is not None:
            face = face_around(near, luma, GLANCE_SIDE_PX)
            if face is not None and fits(near, face, GLANCE_SHARE):
                return face
            face = face_around(near, luma, NEAR_SIDE_PX)
            if face is not None:
                return face
        return _largest_face(luma.pixels, SEARCH_SIDE_PX)


def face_around(crop: CropBox, luma: LumaPlane, side_px: int) -> FaceBox | None:
    """The largest confident face in the surroundings of a crop, which are shrunk to `side_px` for the search."""
    reach = round(crop.side * NEAR_REACH)
    margin = (reach - crop.side) // 2
    left, top = max(crop.x - margin, 0), max(crop.y - margin, 0)
    around = luma.pixels[top : max(crop.y - margin + reach, 0), left : max(crop.x - margin + reach, 0)]
    face = _largest_face(around, side_px)
    return None if face is None else replace(face, x=face.x + left, y=face.y + top)


def _largest_face(gray: NDArray[np.uint8], side_px: int) -> FaceBox | None:
    """The largest confident face of a uint8 (height, width) picture that is shrunk to `side_px` for the search."""
    height, width = gray.shape
    if min(height, width) < MIN_FACE_PX:
        return None
    scale = min(1.0, side_px / max(height, width))
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        gray = cv2.resize(gray, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    confident = [box for box in face_boxes(gray) if box[4] >= MIN_SCORE]
    if not confident:
        return None
    # Each axis by its own scale: a very long picture has been rounded in the shorter one.
    across, down = width / gray.shape[1], height / gray.shape[0]
    x, y, box_width, box_height, score = max(confident, key=lambda box: box[2] * box[3])
    face = FaceBox(x * across, y * down, box_width * across, box_height * down, score / 100)
    return face if max(face.width, face.height) >= MIN_FACE_PX else None
