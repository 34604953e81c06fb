"""Seventeen signals of brows, eyes, mouth and nose from landmarks: what a mask of 68 points can tell of an expression.

Place, size and roll of the head are removed; yaw and pitch are not, and show as a slow change of all signals. The
signals and their frame are those of the reference (seed_systems.md, section 6.1) in iBUG-68's numbers. Which of
MediaPipe's points stands for which of these is our own choice, made by eye on real faces: the two meshes differ most on
the jaw line and at the nostrils, where no signal but the nose's width and the chin depends on them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MEDIAPIPE_OF_68: NDArray[np.int64] = np.array(
    [
        *(162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389),  # 0-16 jaw
        *(71, 63, 105, 66, 107, 336, 296, 334, 293, 301),  # 17-26 brows, of the person's right and left
        *(168, 197, 5, 4, 75, 97, 2, 326, 305),  # 27-35 nose: bridge, then nostrils
        *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),  # 36-47 eyes
        *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),  # 48-59 outer lips
        *(78, 82, 13, 312, 308, 317, 14, 87),  # 60-67 inner lips
    ]
)
"""int64 (68,): iBUG's point k is MediaPipe's point MEDIAPIPE_OF_68[k]."""

_OUTER_CORNERS = (36, 45)

_Y, _X = 1, 0
_SIGNALS: dict[str, tuple[int, tuple[tuple[int, int], ...]]] = {
    "right_brow_height": (_Y, ((19, 37),)),
    "left_brow_height": (_Y, ((24, 44),)),
    "right_inner_brow_height": (_Y, ((21, 39),)),
    "left_inner_brow_height": (_Y, ((22, 42),)),
    "brow_distance": (_X, ((21, 22),)),
    "right_eye_opening": (_Y, ((37, 41), (38, 40))),
    "left_eye_opening": (_Y, ((43, 47), (44, 46))),
    "mouth_width": (_X, ((48, 54),)),
    "lips_height": (_Y, ((51, 57),)),
    "mouth_opening": (_Y, ((62, 66),)),
    "nose_to_upper_lip": (_Y, ((33, 51),)),
    "lower_lip_to_chin": (_Y, ((57, 8),)),
    "right_mouth_corner_drop": (_Y, ((51, 48),)),
    "left_mouth_corner_drop": (_Y, ((51, 54),)),
    "right_nostril_to_corner": (_Y, ((31, 48),)),
    "left_nostril_to_corner": (_Y, ((35, 54),)),
    "nose_width": (_X, ((31, 35),)),
}
"""Name -> axis and pairs (a, b) of iBUG's points; the signal is the sum of b's coordinate minus a's."""

SIGNAL_NAMES: tuple[str, ...] = tuple(_SIGNALS)
"""Column names; right and left are the person's own."""


def landmark_signals(points: NDArray[np.floating]) -> NDArray[np.float32]:
    """MediaPipe's points (n, 478, 2) in pixels, y down -> signals float32 (n, 17), in distances of the eye corners.

    A row is NaN where both outer eye corners are in one place, which is no face.
    """
    mask = np.asarray(points, np.float64)[:, MEDIAPIPE_OF_68]
    right, left = mask[:, _OUTER_CORNERS[0]], mask[:, _OUTER_CORNERS[1]]
    across = left - right
    distance = np.hypot(across[:, 0], across[:, 1])
    with np.errstate(divide="ignore", invalid="ignore"):
        cos, sin = (across / distance[:, None] ** 2).T[..., None]  # and into units of the distance
    centred = mask - ((right + left) / 2)[:, None]
    x, y = centred[..., 0], centred[..., 1]
    upright = np.stack([x * cos + y * sin, y * cos - x * sin], axis=-1)
    columns = [sum(upright[:, b, axis] - upright[:, a, axis] for a, b in pairs) for axis, pairs in _SIGNALS.values()]
    return np.stack(columns, axis=1).astype(np.float32)
