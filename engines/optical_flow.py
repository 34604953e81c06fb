"""How fast the parts of a picture move: optical flow between two consecutive frames, on a grid of 8x8.

Lucas and Kanade (1981): the displacement (u, v) that explains what changed in a window best, in the least squares of

    gradient_x * u + gradient_y * v + change = 0

Nothing in it is learnt. It stands beside the backbone's differences because the two err in different ways: drivers are
told apart better by both than by either (`training/EXPERIMENTS.md`).

Frames are halved first, gradients are those of the mean of both frames, and a window is three cells wide and high, so
that what a codec adds averages out. Every displacement is told twice: as it is, in which the head's motion is most of
it, and from the median of all cells, which the face moves by itself. All backends and training compute these very sums.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engines.protocol import FRAME_SIZE_PX

GRID = 8
CELLS = GRID**2
FLOW_SIZE = 4 * CELLS
"""Values of one frame: how fast each cell moves across, row by row, and down, then both from the median of all."""
MEDIAN = CELLS // 2 - 1
"""Place of the median among all cells' displacements, ascending."""
PICTURE_PX = FRAME_SIZE_PX // 2
"""Side of the halved frame, in which all is computed."""
GRADIENT_FLOOR = 4e-5
"""Added to the mean squared gradient along each axis, luma being 0 to 1: what is flat does not move."""
MOST_MOVED_PX = 2.0
"""Of the halved frame. More between two frames is no motion of a face, and the equation no longer holds there."""
UNIT_PX = 0.1
"""Of the halved frame: what a value of 1 stands for. Talking faces so have values about as large as pooled ones."""

FloatArray = NDArray[np.float32]

_FLOOR, _UNIT, _MOST = np.float32(GRADIENT_FLOOR), np.float32(UNIT_PX), np.float32(MOST_MOVED_PX / UNIT_PX)
_HALF, _QUARTER, _OF_FOUR_BYTES = np.float32(1 / 2), np.float32(1 / 4), np.float32(1 / 1020)


def window_means() -> FloatArray:
    """(8, 64): takes the mean over three cells' rows, two at the edges; on the right side, transposed, over columns."""
    cell = PICTURE_PX // GRID
    cells = np.repeat(np.eye(GRID), cell, axis=1) / cell
    near = np.abs(np.subtract.outer(np.arange(GRID), np.arange(GRID))) <= 1
    means: FloatArray = (near / near.sum(axis=1, keepdims=True) @ cells).astype(np.float32)
    return means


class FlowHistory:
    """Per slot: the halved previous frame."""

    def __init__(self, slots: int) -> None:
        self._pictures: list[FloatArray | None] = [None] * slots
        self._means = window_means()
        self._gradients = np.empty((2, PICTURE_PX, PICTURE_PX), np.float32)
        self._products = np.empty((5, PICTURE_PX, PICTURE_PX), np.float32)

    @property
    def slot_bytes(self) -> int:
        """Memory of one slot that has had a frame."""
        return PICTURE_PX**2 * np.dtype(np.float32).itemsize

    def reset(self, slot: int) -> None:
        """Forget one slot's frame."""
        self._pictures[slot] = None

    def push_frame(self, slot: int, frame: NDArray[np.uint8], continues: bool) -> FloatArray:
        """Take a slot's new frame (128, 128); returns its flow (256,), zeros across a break or from nothing."""
        newest = halved(frame)
        previous = self._pictures[slot] if continues else None
        self._pictures[slot] = newest
        if previous is None:
            return np.zeros(FLOW_SIZE, np.float32)
        return self._flow(previous, newest)

    def _flow(self, previous: FloatArray, newest: FloatArray) -> FloatArray:
        across_across, across_down, down_down, across_change, down_change = self._products
        both, change = newest + previous, newest - previous
        across, down = self._gradients
        _slope(both, across)
        _slope(both.T, down.T)
        np.multiply(across, across, out=across_across)
        np.multiply(across, down, out=across_down)
        np.multiply(down, down, out=down_down)
        np.multiply(across, change, out=across_change)
        np.multiply(down, change, out=down_change)
        xx, xy, yy, xt, yt = self._means @ self._products @ self._means.T
        xx += _FLOOR
        yy += _FLOOR
        values = np.empty((2, 2, CELLS), np.float32)
        moved, on_its_own = values
        np.subtract(xy * yt, yy * xt, out=moved[0].reshape(GRID, GRID))
        np.subtract(xy * xt, xx * yt, out=moved[1].reshape(GRID, GRID))
        moved /= ((xx * yy - xy * xy) * _UNIT).ravel()
        np.clip(moved, -_MOST, _MOST, out=moved)
        np.subtract(moved, np.partition(moved, MEDIAN)[:, MEDIAN, None], out=on_its_own)
        return np.abs(values, out=values).ravel()


def _slope(both: FloatArray, out: FloatArray) -> None:
    """Change of the mean of two pictures, whose sum is given, from column to column; one-sided at the edges."""
    np.subtract(both[:, 2:], both[:, :-2], out=out[:, 1:-1])
    out[:, 1:-1] *= _QUARTER
    out[:, 0] = (both[:, 1] - both[:, 0]) * _HALF
    out[:, -1] = (both[:, -1] - both[:, -2]) * _HALF


def halved(frame: NDArray[np.uint8]) -> FloatArray:
    """(128, 128), 0-255, to the means of 2x2 pixels (64, 64), 0-1."""
    rows = np.add(frame[::2], frame[1::2], dtype=np.float32)
    sums: FloatArray = rows[:, ::2] + rows[:, 1::2]
    sums *= _OF_FOUR_BYTES
    return sums
