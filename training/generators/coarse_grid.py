"""Points of a picture some pixels apart, on which a warp is solved before it is brought to every pixel."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from training.generators.geometry import HEAD_CENTRE, HEAD_FADE, HEAD_RADII, HEAD_SHIFT_LIMIT, smoothstep
from training.generators.targets import View

Floats = NDArray[np.float32]


class CoarseGrid:
    """Every few pixels of a view, with how far each point takes part in the head's motion.

    Args:
        view: the picture.
        step_units: spacing in face units, rounded to whole pixels.
        background: share, 0-1, of the head's motion that what surrounds the head takes part in.
    """

    def __init__(self, view: View, step_units: float, background: float) -> None:
        self._step_px = max(1, round(step_units * view.unit_px))
        rows, columns = -(-view.height_px // self._step_px), -(-view.width_px // self._step_px)
        coarse = View(view.left, view.top, view.unit_px / self._step_px, columns, rows)
        self._points = coarse.grid()
        self._view = coarse
        follows = head_follow(self._points)[..., None]
        self._follows: Floats = (follows + background * (1 - follows)).astype(np.float32)

    def whole(self) -> Patch:
        """All of the picture."""
        return self._patch(slice(0, self._points.shape[0]), slice(0, self._points.shape[1]))

    def around(self, x: tuple[float, float], y: tuple[float, float]) -> Patch | None:
        """The cells that cover a rectangle of face units; None where it lies beyond the picture."""
        columns = _covering(x, self._view.left, self._view)
        rows = _covering(y, self._view.top, self._view)
        columns, rows = _within(columns, self._points.shape[1]), _within(rows, self._points.shape[0])
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return None
        return self._patch(rows, columns)

    def _patch(self, rows: slice, columns: slice) -> Patch:
        wide_rows = _within(slice(rows.start - 1, rows.stop + 1), self._points.shape[0])
        wide_columns = _within(slice(columns.start - 1, columns.stop + 1), self._points.shape[1])
        step = self._step_px
        return Patch(
            points=self._points[wide_rows, wide_columns],
            follows=self._follows[wide_rows, wide_columns],
            step_px=step,
            pixels=(slice(rows.start * step, rows.stop * step), slice(columns.start * step, columns.stop * step)),
            margin_px=((rows.start - wide_rows.start) * step, (columns.start - wide_columns.start) * step),
        )


@dataclass(frozen=True, slots=True)
class Patch:
    """A rectangle of a coarse grid, with one more row and column of points on every side that has one.

    points: face units, float32 (r, c, 2). follows: share of the head's motion, float32 (r, c, 1). pixels: rows and
    columns of the picture that the patch covers. margin_px: what the points reach over above and on the left.
    """

    points: Floats
    follows: Floats
    step_px: int
    pixels: tuple[slice, slice]
    margin_px: tuple[int, int]

    def stilled(self, head: Floats) -> Floats:
        """Where the points (r, c, 2) lie for a head that does not move; head (4,) = x, y, scale, roll."""
        shift = HEAD_SHIFT_LIMIT * np.tanh(head[:2] / HEAD_SHIFT_LIMIT)
        centred = (self.points - shift) / head[2]
        cos, sin = np.float32(np.cos(head[3])), np.float32(np.sin(head[3]))
        turned = [centred[..., 0] * cos + centred[..., 1] * sin, centred[..., 1] * cos - centred[..., 0] * sin]
        return np.asarray(self.points + self.follows * (np.stack(turned, axis=-1) - self.points), np.float32)

    def at_pixels(self, source: Floats, unit_px: float, fine: Floats) -> Floats:
        """Coarse source points (r, c, 2), face units, as pixel coordinates (h, w, 2) of a painted image.

        unit_px: its pixels per face unit. fine: float32 (H, W, 2), where every pixel of the picture lies in it when
        nothing moves.
        """
        shift = (source - self.points) * np.float32(unit_px)
        size = (shift.shape[1] * self.step_px, shift.shape[0] * self.step_px)
        full = cv2.resize(shift, size, interpolation=cv2.INTER_LINEAR)
        still = fine[self.pixels]
        (top, left), (height, width) = self.margin_px, still.shape[:2]
        return np.asarray(full[top : top + height, left : left + width] + still, np.float32)


def head_follow(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """How far points (..., 2) follow the head, (...): 1 on it, 0 on a still background."""
    radius = np.hypot(
        (points[..., 0] - HEAD_CENTRE[0]) / HEAD_RADII[0], (points[..., 1] - HEAD_CENTRE[1]) / HEAD_RADII[1]
    )
    return smoothstep(1 - 2 * (radius - 1) / HEAD_FADE)


def _covering(span: tuple[float, float], start: float, view: View) -> slice:
    """Cells from the one that holds the span's low end to the one that holds its high end."""
    return slice(int((span[0] - start) * view.unit_px), int((span[1] - start) * view.unit_px) + 1)


def _within(cells: slice, size: int) -> slice:
    return slice(max(cells.start, 0), min(cells.stop, size))
