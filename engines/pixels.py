"""From a decoded luma plane to the 128x128 full-range crop that every engine takes.

Training, offline scoring and live scoring all come through here: two paths that give different pixels for the same
frame would teach one thing and judge another.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from engines.protocol import FRAME_SIZE_PX

FACE_TO_CROP = 1.5
"""Side of the square crop over the longer side of the detected face. The detector's box goes from hair line to chin;
the sixth of the side that is left on either end keeps the whole face inside while the head moves in a crop that stands
still."""

FACE_TO_EYES = 2.12
"""Longer side of the detected face over the distance of the outer eye corners, and"""
EYES_TO_FACE_CENTER = 0.23
"""how far below the point between the eye corners the face's centre lies, in the same distance. Medians of SlimFace
boxes over 695 frames of 170 real clips (GRID, HDTF, LRW-AR, VoxCeleb2, LivePortrait drivers), tracks of MediaPipe: by
source 2.09-2.16 and 0.21-0.26; 10th-90th percentile of single frames 1.88-2.30 and 0.14-0.30, sideways -0.08-0.11."""

_LIMITED_TO_FULL = np.clip(np.floor((np.arange(256) - 16) * 255 / 219 + 0.5), 0, 255).astype(np.uint8)
_FULL_RANGE_FORMATS = frozenset({"yuvj411p", "yuvj420p", "yuvj422p", "yuvj440p", "yuvj444p", "gray"})
_COLOR_RANGE_JPEG = 2


@dataclass(frozen=True, slots=True)
class LumaPlane:
    """The Y plane of one frame: uint8 (height, width), possibly a view into the frame's own memory."""

    pixels: NDArray[np.uint8]
    full_range: bool
    """True where black is 0 and white 255; False for the usual video range 16..235."""

    @property
    def height_px(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def width_px(self) -> int:
        return int(self.pixels.shape[1])


@dataclass(frozen=True, slots=True)
class FaceBox:
    """A face in frame coordinates, in pixels; may reach over the frame's edge."""

    x: float
    y: float
    width: float
    height: float
    score: float
    """The detector's own, 0-1."""

    @property
    def center(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y + self.height / 2


@dataclass(frozen=True, slots=True)
class CropBox:
    """A square cut-out in frame coordinates, in whole pixels; may reach over the frame's edge."""

    x: int
    y: int
    side: int

    def __post_init__(self) -> None:
        if self.side < 1:
            raise ValueError(f"crop side must be at least 1 pixel, got {self.side}")


@cache
def _has_luma_plane(format_name: str) -> bool:
    """True where plane 0 of the pixel format holds 8-bit luma and nothing else."""
    pixel_format = av.VideoFormat(format_name)
    components = pixel_format.components
    if pixel_format.is_rgb or not components or components[0].bits != 8:
        return False
    return format_name == "gray" or (pixel_format.is_planar and len(components) >= 3)


def luma_plane(frame: av.VideoFrame) -> LumaPlane:
    """Plane 0 of a planar YUV (or gray) frame, upright, without the padding at the end of each row.

    A recording that asks to be shown turned is turned, by quarter turns. The pixels borrow the frame's memory: copy
    them before the decoder may use it again. Raises ValueError for packed or RGB formats, for more than 8 bits and for
    frames without pixels.
    """
    name = frame.format.name
    if not _has_luma_plane(name):
        raise ValueError(f"pixel format {name} has no 8-bit luma plane; decode to planar YUV")
    if frame.width < 1 or frame.height < 1:
        raise ValueError(f"a frame of {frame.width}x{frame.height} pixels holds no picture")
    plane: Any = frame.planes[0]
    if plane.line_size < frame.width:
        raise ValueError(f"rows of {plane.line_size} bytes are too short for {frame.width} pixels")
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    full = int(frame.color_range) == _COLOR_RANGE_JPEG or name in _FULL_RANGE_FORMATS
    upright, turns = rows[: frame.height, : frame.width], round(frame.rotation / 90)
    # Frames of calls are not turned, and finding that out in there costs them as much as all of the above.
    return LumaPlane(np.rot90(upright, turns) if turns else upright, full)


def full_range(gray: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Video-range luma (16..235) to full range, `clip(floor((Y - 16) * 255 / 219 + 0.5), 0, 255)`."""
    if gray.size == 0:
        return gray.copy()
    # The same as indexing the table, many times faster; rows of one channel, whatever the shape.
    rows = cv2.LUT(gray.reshape(len(gray), -1), _LIMITED_TO_FULL).astype(np.uint8, copy=False)
    return rows.reshape(gray.shape)


def face_crop(face: FaceBox) -> CropBox:
    """The square around a detected face that the engine looks at."""
    side = max(1, round(max(face.width, face.height) * FACE_TO_CROP))
    center_x, center_y = face.center
    return CropBox(round(center_x - side / 2), round(center_y - side / 2), side)


def crop_from_eyes(eye_center_xy: tuple[float, float], eye_distance_px: float) -> CropBox:
    """The box that the live path gets from its face detector, told from landmarks instead.

    For clips that have a face track and for rendered faces, so that training sees the framing of a call. One box serves
    a whole clip: pass the clip's median (or its first frame), never each frame's own.

    eye_center_xy: the point between the outer eye corners, in pixels.
    eye_distance_px: distance of the outer eye corners, in pixels, of a face that looks into the camera.
    """
    side = max(1, round(eye_distance_px * FACE_TO_EYES * FACE_TO_CROP))
    center_x, center_y = eye_center_xy[0], eye_center_xy[1] + EYES_TO_FACE_CENTER * eye_distance_px
    return CropBox(round(center_x - side / 2), round(center_y - side / 2), side)


def crop_frame(luma: LumaPlane, box: CropBox) -> NDArray[np.uint8]:
    """Cut, shrink by area and map to full range: uint8 (128, 128), 0-255.

    Where the box reaches over the edge the nearest pixel is repeated. Raises ValueError if box and frame do not meet.
    """
    left, top = max(box.x, 0), max(box.y, 0)
    right, bottom = min(box.x + box.side, luma.width_px), min(box.y + box.side, luma.height_px)
    if left >= right or top >= bottom:
        raise ValueError(f"crop {box} lies outside the {luma.width_px}x{luma.height_px} frame")
    cut = luma.pixels[top:bottom, left:right]
    if cut.shape != (box.side, box.side):
        cut = cv2.copyMakeBorder(
            cut, top - box.y, box.y + box.side - bottom, left - box.x, box.x + box.side - right, cv2.BORDER_REPLICATE
        ).astype(np.uint8, copy=False)
    small = cv2.resize(cut, (FRAME_SIZE_PX, FRAME_SIZE_PX), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    return small if luma.full_range else full_range(small)
