"""Move one target with one frame of motion on a CPU, in numpy and OpenCV: the twin of `mesh_warp_torch`.

Backward warp of a face in four steps, all in face units: undo the head's motion; find where each skin point came from
in the upper and in the lower displacement field (fixed-point iteration with the field's own slope as step size); look
up skin where a field's mask claims the point, eyeball or mouth where none does; blend by the masks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from training.drivers.landmarks import LANDMARKS
from training.generators.fields import (
    FIELD_CELLS,
    FIELD_ORIGIN,
    FIELD_SPAN,
    displacement_operator,
    inner_operator,
    lid_gains,
)
from training.generators.geometry import (
    COARSE_STEP_UNITS,
    HEAD_CENTRE,
    HEAD_FADE,
    HEAD_RADII,
    HEAD_SHIFT_LIMIT,
    NOTHING,
    SIDE_WIDTH,
    SLOPE_RANGE,
    SOLVER_STEPS,
)
from training.generators.layers import Image, cut_layers, middle_blend
from training.generators.targets import View

Floats = NDArray[np.float32]

_CORE_X, _CORE_Y = (-0.8, 0.8), (-0.35, 1.5)
_CORE_MARGIN = 0.15
"""Lids and lips are within this rectangle of face units; only there is every pixel composed of all layers."""


class FaceWarp:
    """One target, cut into layers once, rendered with any motion and from any view near the one it was painted in.

    Args:
        image: uint8 (H, W) or (H, W, 3).
        landmarks: float32 (95, 2), face units.
        painted: the view in which `image` shows the target.
        seen: the view of the rendered pictures.
        background: share, 0-1, of the head's motion that what surrounds the head takes part in (1: the camera moves).
    """

    def __init__(
        self, image: Image, landmarks: NDArray[np.floating], painted: View, seen: View, background: float = 0.0
    ) -> None:
        self._layers = cut_layers(image, landmarks, painted)
        self._operator = displacement_operator(landmarks).reshape(-1, FIELD_CELLS, LANDMARKS)
        self._gains = lid_gains(landmarks)
        self._inner = inner_operator()
        self._painted, self._seen = painted, seen
        self._step_px = max(1, round(COARSE_STEP_UNITS * seen.unit_px))
        self._coarse = _coarse_grid(seen, self._step_px)
        follows = head_follow(self._coarse)[..., None]
        self._follows: Floats = (follows + background * (1 - follows)).astype(np.float32)
        self._fine = painted.points_px(seen.grid()).astype(np.float32)

    def render(self, motion: Floats, head: Floats) -> Image:
        """One picture, uint8 (H, W[, 3]), of landmark motion (95, 2) and head motion (4,) = x, y, scale, roll."""
        moved = np.asarray(motion * self._gains, np.float32)
        still = self._coarse + self._follows * (_undo_head(self._coarse, head) - self._coarse)
        upper, lower = (_solve(still, field) for field in self._fields(moved))
        inner = still - _inner_shift(still, self._inner @ moved)
        picture = _look_up(self._layers.image, self._fine_pixels(self._skin_source(upper, lower), self._whole))
        core = self._core(head)
        if core.rows.start < core.rows.stop and core.columns.start < core.columns.stop:
            lookups = [self._fine_pixels(source, core) for source in (upper, lower, inner)]
            picture[core.pixels(self._step_px)] = self._composed(lookups)
        return np.asarray(picture, np.uint8)

    def _fields(self, moved: Floats) -> list[Floats]:
        # cut into rows of cells: a BLAS starts threads for the whole product, which costs more than the product
        shift = self._operator @ moved
        return [with_slopes(field) for field in shift.reshape(2, FIELD_CELLS, FIELD_CELLS, 2)]

    def _skin_source(self, upper: Floats, lower: Floats) -> Floats:
        """Coarse source points with the fields blended by their masks: exact enough away from the slits."""
        share = self._upper_share(upper, lower)
        return np.asarray(lower + share[..., None] * (upper - lower), np.float32)

    def _upper_share(self, upper: Floats, lower: Floats) -> Floats:
        at = [self._painted.points_px(source).astype(np.float32) for source in (upper, lower)]
        return _share(_look_up(self._layers.upper, at[0]), _look_up(self._layers.lower, at[1]))

    @property
    def _whole(self) -> _Cells:
        return _Cells(slice(0, self._coarse.shape[0]), slice(0, self._coarse.shape[1]))

    def _core(self, head: Floats) -> _Cells:
        """The coarse cells in which this pose may show lids and lips."""
        shift = HEAD_SHIFT_LIMIT * np.tanh(head[:2] / HEAD_SHIFT_LIMIT)
        reach = _CORE_MARGIN + abs(float(head[3]))
        step = self._step_px / self._seen.unit_px
        corners = []
        for axis, (low, high), start, size in (
            (0, _CORE_X, self._seen.left, self._coarse.shape[1]),
            (1, _CORE_Y, self._seen.top, self._coarse.shape[0]),
        ):
            first = int((low * head[2] + shift[axis] - reach - start) / step)
            last = int((high * head[2] + shift[axis] + reach - start) / step) + 1
            corners.append(slice(max(first, 0), min(last, size)))
        return _Cells(rows=corners[1], columns=corners[0])

    def _fine_pixels(self, source: Floats, cells: _Cells) -> Floats:
        """Coarse source points in face units -> pixel coordinates in the painted image for the pixels of some cells."""
        around = cells.grown(self._coarse.shape)
        at = (around.rows, around.columns)
        shift = (source[at] - self._coarse[at]) * np.float32(self._painted.unit_px)
        size = (shift.shape[1] * self._step_px, shift.shape[0] * self._step_px)
        full = cv2.resize(shift, size, interpolation=cv2.INTER_LINEAR)
        top = (cells.rows.start - around.rows.start) * self._step_px
        left = (cells.columns.start - around.columns.start) * self._step_px
        fine = self._fine[cells.pixels(self._step_px)]
        return np.asarray(full[top : top + fine.shape[0], left : left + fine.shape[1]] + fine, np.float32)

    def _composed(self, lookups: list[Floats]) -> Image:
        """Skin where a mask claims the pixel, what lies behind it where none does."""
        upper_at, lower_at, inner_at = lookups
        upper = _look_up(self._layers.upper, upper_at)
        lower = _look_up(self._layers.lower, lower_at)
        share = _share(upper, lower)[..., None]
        skin = _look_up(self._layers.image, lower_at + share * (upper_at - lower_at))
        covered = np.minimum(upper + lower, 1)
        behind = _look_up(self._layers.inner_place, inner_at) * (1 - covered)
        inner = _look_up(self._layers.inner, inner_at)
        weight = behind / np.maximum(behind + covered, NOTHING)
        if skin.ndim == 3:
            weight = weight[..., None]
        return np.asarray(skin + weight * (inner.astype(np.float32) - skin) + 0.5, np.uint8)


@dataclass(frozen=True, slots=True)
class _Cells:
    """A rectangle of the coarse grid."""

    rows: slice
    columns: slice

    def pixels(self, step_px: int) -> tuple[slice, slice]:
        return (
            slice(self.rows.start * step_px, self.rows.stop * step_px),
            slice(self.columns.start * step_px, self.columns.stop * step_px),
        )

    def grown(self, shape: tuple[int, ...]) -> _Cells:
        """One cell more on every side, as far as the grid (rows, columns, ...) reaches."""
        rows = slice(max(self.rows.start - 1, 0), min(self.rows.stop + 1, shape[0]))
        return _Cells(rows, slice(max(self.columns.start - 1, 0), min(self.columns.stop + 1, shape[1])))


def _share(upper: Floats, lower: Floats) -> Floats:
    """Weight of the upper field where both may claim a point."""
    return np.asarray((upper + NOTHING / 2) / (upper + lower + NOTHING), np.float32)


def _inner_shift(points: Floats, shifts: Floats) -> Floats:
    """Motion (rows, columns, 2) of what lies behind lids and lips, from those of the eyeballs and the teeth (3, 2)."""
    part = middle_blend(points[..., 1:2]).astype(np.float32)
    side = _smoothstep(points[..., :1] / SIDE_WIDTH).astype(np.float32)
    eyes = (1 - side) * shifts[0] + side * shifts[1]
    return np.asarray((1 - part) * eyes + part * shifts[2], np.float32)


def _coarse_grid(view: View, step_px: int) -> Floats:
    rows, columns = -(-view.height_px // step_px), -(-view.width_px // step_px)
    return View(view.left, view.top, view.unit_px / step_px, columns, rows).grid()


def _smoothstep(value: NDArray[np.floating]) -> NDArray[np.float64]:
    ramp = np.clip((value + 1) / 2, 0, 1)
    return np.asarray(ramp * ramp * (3 - 2 * ramp))


def head_follow(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """How far points (..., 2) follow the head, (...): 1 on it, 0 on a still background."""
    radius = np.hypot(
        (points[..., 0] - HEAD_CENTRE[0]) / HEAD_RADII[0], (points[..., 1] - HEAD_CENTRE[1]) / HEAD_RADII[1]
    )
    return _smoothstep(1 - 2 * (radius - 1) / HEAD_FADE)


def _undo_head(points: Floats, head: Floats) -> Floats:
    """Points of the picture (..., 2) in the frame of a head that does not move."""
    shift = HEAD_SHIFT_LIMIT * np.tanh(head[:2] / HEAD_SHIFT_LIMIT)
    centred = (points - shift) / head[2]
    cos, sin = np.float32(np.cos(head[3])), np.float32(np.sin(head[3]))
    turned = [centred[..., 0] * cos + centred[..., 1] * sin, centred[..., 1] * cos - centred[..., 0] * sin]
    return np.stack(turned, axis=-1).astype(np.float32)


def with_slopes(field: Floats) -> Floats:
    """Displacement (64, 64, 2) -> with its own-direction slopes dx/dx and dy/dy, (64, 64, 4)."""
    cell = FIELD_SPAN / FIELD_CELLS
    slope_x = np.gradient(field[..., 0], cell, axis=1)
    slope_y = np.gradient(field[..., 1], cell, axis=0)
    return np.concatenate([field, np.stack([slope_x, slope_y], axis=-1)], axis=-1).astype(np.float32)


def _solve(still: Floats, field: Floats) -> Floats:
    """Points x (rows, columns, 2) with x + field(x) = still."""
    cells = FIELD_CELLS / FIELD_SPAN
    origin = np.array(FIELD_ORIGIN, np.float32)
    source = still
    for _ in range(SOLVER_STEPS):
        at = (source - origin) * np.float32(cells) - np.float32(0.5)
        sample = _look_up(field, at)
        step = 1 / (1 + np.clip(sample[..., 2:], *SLOPE_RANGE))
        source = source + step * (still - source - sample[..., :2])
    return np.asarray(source, np.float32)


def _look_up(image: NDArray[np.uint8] | Floats, at: Floats) -> NDArray[Any]:
    """Bilinear look-up at pixel coordinates (H, W, 2), edges repeated."""
    remap: Any = cv2.remap  # its stub knows no map of two channels, which stands for both maps
    return np.asarray(remap(image, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
