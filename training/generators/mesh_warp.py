"""Move one target with one frame of motion on a CPU, in numpy and OpenCV: the twin of `mesh_warp_torch`.

Backward warp of a face in four steps, all in face units: undo the head's motion; find where each skin point came from
in the upper and in the lower displacement field (fixed-point iteration with the field's own slope as step size); look
up skin where a field's mask claims the point, eyeball or mouth where none does; blend by the masks.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from training.drivers.landmarks import LANDMARKS
from training.generators.coarse_grid import CoarseGrid, Patch
from training.generators.fields import (
    FIELD_CELLS,
    FIELD_ORIGIN,
    FIELD_SPAN,
    displacement_operator,
    inner_operator,
    lid_gains,
)
from training.generators.geometry import HEAD_SHIFT_LIMIT, NOTHING, SIDE_WIDTH, SLOPE_RANGE, SOLVER_STEPS, smoothstep
from training.generators.layers import Image, cut_layers, middle_blend
from training.generators.targets import View

Floats = NDArray[np.float32]

_CORE_X, _CORE_Y = (-0.8, 0.8), (-0.35, 1.5)
_CORE_MARGIN = 0.15
"""Lids and lips are within this rectangle of face units; only there is every pixel composed of all layers."""
_CORE_STEP, _WIDE_STEP = 0.05, 0.12
"""Spacing, in face units, of the points on which the warp is solved: where a lid folds the field, and elsewhere."""


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
        self._painted = painted
        self._core_grid = CoarseGrid(seen, _CORE_STEP, background)
        self._whole = CoarseGrid(seen, _WIDE_STEP, background).whole()
        self._fine = painted.points_px(seen.grid()).astype(np.float32)

    def render(self, motion: Floats, head: Floats) -> Image:
        """One picture, uint8 (H, W[, 3]), of landmark motion (95, 2) and head motion (4,) = x, y, scale, roll."""
        moved = np.asarray(motion * self._gains, np.float32)
        fields = self._fields(moved)
        still = self._whole.stilled(head)
        upper, lower = (_solve(still, field) for field in fields)
        picture = _look_up(self._layers.image, self._pixels(self._whole, self._skin_source(upper, lower)))
        core = self._core(head)
        if core is not None:
            still = core.stilled(head)
            upper, lower = (_solve(still, field) for field in fields)
            inner = still - _inner_shift(still, self._inner @ moved)
            picture[core.pixels] = self._composed([self._pixels(core, source) for source in (upper, lower, inner)])
        return np.asarray(picture, np.uint8)

    def _core(self, head: Floats) -> Patch | None:
        """Where this pose may show lids and lips."""
        shift = HEAD_SHIFT_LIMIT * np.tanh(head[:2] / HEAD_SHIFT_LIMIT)
        reach = _CORE_MARGIN + abs(float(head[3]))
        x, y = (
            (low * head[2] + centre - reach, high * head[2] + centre + reach)
            for (low, high), centre in zip((_CORE_X, _CORE_Y), shift, strict=True)
        )
        return self._core_grid.around(x, y)

    def _pixels(self, patch: Patch, source: Floats) -> Floats:
        return patch.at_pixels(source, self._painted.unit_px, self._fine)

    def _fields(self, moved: Floats) -> list[Floats]:
        # cut into rows of cells: a BLAS starts threads for the whole product, which costs more than the product
        shift = self._operator @ moved
        return [_with_slopes(field) for field in shift.reshape(2, FIELD_CELLS, FIELD_CELLS, 2)]

    def _skin_source(self, upper: Floats, lower: Floats) -> Floats:
        """Coarse source points with the fields blended by their masks: exact enough away from the slits."""
        share = self._upper_share(upper, lower)
        return np.asarray(lower + share[..., None] * (upper - lower), np.float32)

    def _upper_share(self, upper: Floats, lower: Floats) -> Floats:
        at = [self._painted.points_px(source).astype(np.float32) for source in (upper, lower)]
        return _share(_look_up(self._layers.upper, at[0]), _look_up(self._layers.lower, at[1]))

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


def _share(upper: Floats, lower: Floats) -> Floats:
    """Weight of the upper field where both may claim a point."""
    return np.asarray((upper + NOTHING / 2) / (upper + lower + NOTHING), np.float32)


def _inner_shift(points: Floats, shifts: Floats) -> Floats:
    """Motion (rows, columns, 2) of what lies behind lids and lips, from those of the eyeballs and the teeth (3, 2)."""
    part = middle_blend(points[..., 1:2]).astype(np.float32)
    side = smoothstep(points[..., :1] / SIDE_WIDTH).astype(np.float32)
    eyes = (1 - side) * shifts[0] + side * shifts[1]
    return np.asarray((1 - part) * eyes + part * shifts[2], np.float32)


def _with_slopes(field: Floats) -> Floats:
    """Displacement (64, 64, 2) -> with its own-direction slopes dx/dx and dy/dy, (64, 64, 4); 0 at the rim."""
    sloped = np.zeros((*field.shape[:2], 4), np.float32)
    sloped[..., :2] = field
    per_unit = np.float32(FIELD_CELLS / FIELD_SPAN / 2)
    sloped[:, 1:-1, 2] = (field[:, 2:, 0] - field[:, :-2, 0]) * per_unit
    sloped[1:-1, :, 3] = (field[2:, :, 1] - field[:-2, :, 1]) * per_unit
    return sloped


def _solve(still: Floats, field: Floats) -> Floats:
    """Points x (rows, columns, 2) with x + field(x) = still."""
    cells = FIELD_CELLS / FIELD_SPAN
    origin = np.array(FIELD_ORIGIN, np.float32)
    source = still
    for _ in range(SOLVER_STEPS):
        at = (source - origin) * np.float32(cells) - np.float32(0.5)
        sample = _look_up(field, at)
        step = 1 / (1 + np.minimum(np.maximum(sample[..., 2:], SLOPE_RANGE[0]), SLOPE_RANGE[1]))
        source = source + step * (still - source - sample[..., :2])
    return np.asarray(source, np.float32)


def _look_up(image: NDArray[np.uint8] | Floats, at: Floats) -> NDArray[Any]:
    """Bilinear look-up at pixel coordinates (H, W, 2), edges repeated."""
    remap: Any = cv2.remap  # its stub knows no map of two channels, which stands for both maps
    return np.asarray(remap(image, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
