"""Simple surfaces for what the face mesh lacks: grids of points (rows, columns, 3) and the triangles between them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


def grid_triangles(rows: int, columns: int, closed: bool) -> NDArray[np.int64]:
    """Triangles (F, 3) of a grid with x to the right along columns and y down along rows.

    `closed` joins the last column to the first.
    """
    wide = columns if closed else columns - 1
    row, column = (axis.ravel() for axis in np.meshgrid(np.arange(rows - 1), np.arange(wide), indexing="ij"))
    following = (column + 1) % columns
    corner, right = row * columns + column, row * columns + following
    below, across = corner + columns, right + columns
    return np.concatenate([np.stack([corner, right, across], axis=1), np.stack([corner, across, below], axis=1)])


def around(turn: NDArray[np.float64], half_width: Points, front: Points, back: Points) -> tuple[Points, Points]:
    """x and z (rows, columns) of closed curves, from behind over the image's left to the front and on.

    turn: (columns,), 0 is behind, pi in front. half_width, front, back: (rows,), how far the curve reaches.
    """
    towards = -np.cos(turn)[None, :]
    depth = np.where(towards > 0, front[:, None], back[:, None])
    return -np.sin(turn)[None, :] * half_width[:, None], towards * depth


def ball(angles: Points, columns: int) -> Points:
    """Unit directions (rows, columns, 3) at angles (rows,) from the axis z, towards the viewer; close it."""
    turn = np.linspace(0, 2 * np.pi, columns, endpoint=False)
    out = np.sin(angles)[:, None]
    # columns run counter-clockwise in the picture, so that rows, which run outwards, leave the outside in front
    return np.stack([out * np.cos(-turn), out * np.sin(-turn), np.repeat(np.cos(angles)[:, None], columns, 1)], axis=2)


def smooth_ramp(value: NDArray[np.floating], start: float, end: float) -> NDArray[np.float64]:
    """0 up to `start`, 1 from `end` on, smooth between; `end` may lie below `start`."""
    ramp = np.clip((value - start) / (end - start), 0, 1)
    return np.asarray(ramp * ramp * (3 - 2 * ramp))
