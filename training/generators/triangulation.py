"""A target's triangle meshes: its resting landmarks and anchors on the border of its picture (Delaunay)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay

from training.generators.fields import KNOWN
from training.generators.lid_bands import SKIN_BAND, SLIT_BAND, band_operator
from training.generators.targets import CANONICAL_VIEW, TARGET_SPAN

_ANCHORS_PER_SIDE = 4


@dataclass(frozen=True, slots=True)
class Triangulation:
    """One target's mesh above or below the slits.

    rest: float32 (K, 3, 2), corners of K triangles at rest, face units, all wound the same way. moves: int64 (K, 3),
    the row of `band_operator` that each corner moves with; -1 for an anchor, which never moves. Where a moved mesh
    folds over itself, the triangle that comes first lies on top: the one farther from the slits.
    """

    rest: NDArray[np.float32]
    moves: NDArray[np.int64]


def triangulate(landmarks: NDArray[np.floating]) -> tuple[Triangulation, Triangulation]:
    """The meshes above and below the slits of landmarks (95, 2)."""
    points = band_operator() @ landmarks
    above, below = (np.concatenate(rows) for rows in zip(KNOWN, SKIN_BAND, SLIT_BAND, strict=True))
    return _mesh(points, above, 1), _mesh(points, below, -1)


def _mesh(points: NDArray[np.floating], rows: NDArray[np.int64], down: int) -> Triangulation:
    anchors = _anchors()
    nodes = np.concatenate([points[rows], anchors])
    moves = np.concatenate([rows, np.full(len(anchors), -1)])
    corners = _wound(nodes, Delaunay(nodes).simplices)
    corners = corners[np.argsort(down * nodes[corners, 1].mean(axis=1), kind="stable")]
    return Triangulation(nodes[corners].astype(np.float32), moves[corners])


def _anchors() -> NDArray[np.float64]:
    """Points along the border of the canonical picture, (12, 2)."""
    span = np.linspace(0, 1, _ANCHORS_PER_SIDE)
    x, y = np.meshgrid(span, span)
    border = (np.minimum(x, 1 - x) == 0) | (np.minimum(y, 1 - y) == 0)
    corner = np.array([CANONICAL_VIEW.left, CANONICAL_VIEW.top])
    return np.asarray(corner + np.stack([x[border], y[border]], axis=1) * TARGET_SPAN)


def _wound(nodes: NDArray[np.floating], corners: NDArray[np.integer]) -> NDArray[np.int64]:
    """Triangles (K, 3) with their corners in an order that makes every area positive."""
    first, second, third = (nodes[corners[:, place]] for place in range(3))
    across, along = second - first, third - first
    turned = across[:, 0] * along[:, 1] < across[:, 1] * along[:, 0]
    return np.where(turned[:, None], corners[:, ::-1], corners).astype(np.int64)
