"""Which vertex of ICT-FaceKit's narrow face each of the 95 landmarks is.

Found once by geometry and checked by eye. The landmarks' mean shape was laid over the neutral mesh, eye corners on eye
corners; a landmark became the nearest vertex that faces the viewer, with four exceptions where the mean shape (mouth
ajar) or a surface folded in itself misleads. Upper lid: of the vertices at the landmark's x, the one that travels
farthest in a blink. Lower lid: the highest and foremost one. Inner lips: the lowest foremost vertex above, and the
highest foremost one below, the line between what follows the jaw and what does not. Outer lips: the rim of the red,
a third of a unit above and below the mean shape's. The subject's right side is the mirror image of the left.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.drivers.landmarks import LANDMARKS, PART

VERTICES_NEEDED = 6706

_VERTICES: dict[str, tuple[int, ...]] = {
    "brow_right": (430, 286, 1977, 1417, 2006),
    "brow_left": (2671, 2527, 4177, 3631, 4206),
    "corners_right": (567, 887),
    "corners_left": (2808, 3128),
    "upper_lid_right": (613, 1022, 1963, 1929, 619),
    "upper_lid_left": (2854, 3242, 4163, 4129, 2860),
    "lower_lid_right": (589, 1511, 1514, 1518, 1522),
    "lower_lid_left": (2830, 3725, 3728, 3732, 3736),
    "nose": (978, 4522, 4942, 4841, 5),
    "nostrils": (4757, 1265, 3483, 5222),
    "mouth_corners": (5681, 5918, 6423, 6186),
    "upper_lip_outer": (5610, 2081, 0, 4275, 6115),
    "upper_lip_inner": (5586, 6037, 5526, 6541, 6091),
    "lower_lip_inner": (5848, 6009, 5517, 6513, 6353),
    "lower_lip_outer": (5777, 5976, 5520, 6480, 6282),
    "cheeks": (1204, 398, 420, 2661, 2639, 3422),
    "forehead": (1398, 1734),
    "oval": (1851, 3638, 4157, 3446, 3415, 4096, 2998, 3072, 3815, 1598, 1605, 831, 757, 1896, 1197, 1228, 1957, 1424),
}

EYE_CORNERS = (567, 2808)
"""Outer eye corners, the subject's right and left."""

LOWER_GUM = 6632
"""The middle of the mesh's inner edge below the lower lip: goes with the jaw alone."""


def _skin() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    landmarks = np.concatenate([np.arange(LANDMARKS)[PART[part]] for part in _VERTICES])
    return landmarks, np.array([vertex for part in _VERTICES.values() for vertex in part])


SKIN_LANDMARKS, SKIN_VERTICES = _skin()
"""int64 (93,) each: landmark SKIN_LANDMARKS[i] is vertex SKIN_VERTICES[i]; only the irises lie on no skin."""


def part_vertices(*parts: str) -> NDArray[np.int64]:
    """Vertices of some landmark parts, in their order."""
    return np.array([vertex for part in parts for vertex in _VERTICES[part]])


def mesh_landmarks(face: NDArray[np.floating]) -> NDArray[np.float32]:
    """Landmarks (95, 2) of the vertices (V, 3) of a face; irises in the middle of the lids."""
    landmarks = np.zeros((LANDMARKS, 2), np.float32)
    landmarks[SKIN_LANDMARKS] = face[SKIN_VERTICES, :2]
    for side in ("right", "left"):
        lids = part_vertices(f"upper_lid_{side}", f"lower_lid_{side}")
        landmarks[PART[f"iris_{side}"]] = face[lids, :2].mean(axis=0)
    return landmarks
