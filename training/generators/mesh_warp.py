"""Move one target with one frame of motion on a CPU, in numpy and OpenCV: the twin of `mesh_warp_torch`.

Backward warp of a face in four steps, all in face units: undo the head's motion; find where each skin point came from
in the upper and in the lower displacement field (fixed-point iteration with the field's own slope as step size); look
up skin where a field's mask claims the point, eyeball or mouth where none does; blend by the masks.
"""

from __future__ import annotations

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
        self._masks = np.stack([self._layers.upper, self._layers.lower], axis=-1)
        self._operator = displacement_operator(landmarks).reshape(-1, LANDMARKS)
        self._gains = lid_gains(landmarks)
        self._inner = inner_operator()
        self._painted, self._seen = painted, seen
        self._step_px = max(1, round(COARSE_STEP_UNITS * seen.unit_px))
        self._coarse = _coarse_grid(seen, self._step_px)
        follows = head_follow(self._coarse)[..., None]
        self._follows: Floats = (follows + background * (1 - follows)).astype(np.float32)
        self._fine = _pixel_grid(seen, painted)

    def render(self, motion: Floats, head: Floats) -> Image:
        """One picture, uint8 (H, W[, 3]), of landmark motion (95, 2) and head motion (4,) = x, y, scale, roll."""
        moved = motion * self._gains
        still = self._coarse + self._follows * (_undo_head(self._coarse, head) - self._coarse)
        slopes = self._fields(moved)
        sources = [_solve(still, field) for field in slopes]
        inner = still - self._inner_shift(still, self._inner @ moved)
        lookups = [self._fine_pixels(source) for source in (*sources, inner)]
        return self._composed(lookups)

    def _fields(self, moved: Floats) -> list[Floats]:
        shift = (self._operator @ moved).reshape(2, FIELD_CELLS, FIELD_CELLS, 2)
        return [with_slopes(field) for field in shift]

    @staticmethod
    def _inner_shift(points: Floats, shifts: Floats) -> Floats:
        part = middle_blend(points[..., 1:2])
        side = _smoothstep(points[..., :1] / SIDE_WIDTH)
        eyes = (1 - side) * shifts[0] + side * shifts[1]
        return ((1 - part) * eyes + part * shifts[2]).astype(np.float32)

    def _fine_pixels(self, source: Floats) -> Floats:
        """Coarse source points in face units -> pixel coordinates in the painted image for every picture pixel."""
        shift = (source - self._coarse) * np.float32(self._painted.unit_px)
        height, width = self._seen.height_px, self._seen.width_px
        rows, columns = self._coarse.shape[:2]
        full = cv2.resize(shift, (columns * self._step_px, rows * self._step_px), interpolation=cv2.INTER_LINEAR)
        return np.asarray(full[:height, :width] + self._fine, np.float32)

    def _composed(self, lookups: list[Floats]) -> Image:
        upper_at, lower_at, inner_at = lookups
        upper = _look_up(self._layers.upper, upper_at)
        lower = _look_up(self._layers.lower, lower_at)
        place = _look_up(self._layers.inner_place, inner_at)
        share = ((upper + NOTHING / 2) / (upper + lower + NOTHING))[..., None]
        skin = _look_up(self._layers.image, lower_at + share * (upper_at - lower_at))
        covered = np.minimum(upper + lower, 1)
        behind = place * (1 - covered)
        if not (behind > 1 / 255).any():
            return np.asarray(skin, np.uint8)
        inner = _look_up(self._layers.inner, inner_at)
        weight = behind / np.maximum(behind + covered, NOTHING)
        if skin.ndim == 3:
            weight = weight[..., None]
        return np.asarray(skin + weight * (inner.astype(np.float32) - skin) + 0.5, np.uint8)


def _coarse_grid(view: View, step_px: int) -> Floats:
    rows, columns = -(-view.height_px // step_px), -(-view.width_px // step_px)
    return View(view.left, view.top, view.unit_px / step_px, columns, rows).grid()


def _pixel_grid(seen: View, painted: View) -> Floats:
    return painted.points_px(seen.grid()).astype(np.float32)


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
        sample = cv2.remap(field, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        step = 1 / (1 + np.clip(sample[..., 2:], *SLOPE_RANGE))
        source = source + step * (still - source - sample[..., :2])
    return np.asarray(source, np.float32)


def _look_up(image: NDArray[np.uint8] | Floats, at: Floats) -> NDArray[np.float32]:
    return np.asarray(cv2.remap(image, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
