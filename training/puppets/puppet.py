"""A painted person: a pleasant, shaded portrait by seed, whose landmarks are known because they were painted there."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from training.drivers.landmarks import PART
from training.drivers.seeds import stream
from training.generators.layers import Image
from training.generators.targets import CANONICAL_VIEW, TargetSet, View
from training.puppets.canvas import Canvas
from training.puppets.features import paint_features
from training.puppets.hair import paint_back_hair, paint_hair
from training.puppets.looks import Colour, Look, draw_look
from training.puppets.skin import paint_head

_SUPERSAMPLING = 2
_ROOM_STREAM = 23


class Puppet:
    """One painted person. Equal seeds are equal faces."""

    def __init__(self, seed: int) -> None:
        if seed < 0:
            raise ValueError(f"a puppet's seed is 0 or more, got {seed}")
        self.seed = seed
        self._look: Look = draw_look(seed)

    @property
    def landmarks(self) -> NDArray[np.float32]:
        """Landmarks (95, 2), face units."""
        return self._look.landmarks.astype(np.float32)

    def portrait(self, view: View = CANONICAL_VIEW) -> tuple[Image, NDArray[np.float32]]:
        """Picture (H, W, 3) uint8 BGR of the puppet at rest in a view, and its landmarks (95, 2) in face units."""
        fine = View(
            view.left,
            view.top,
            view.unit_px * _SUPERSAMPLING,
            view.width_px * _SUPERSAMPLING,
            view.height_px * _SUPERSAMPLING,
        )
        canvas = Canvas(fine)
        _room(canvas, self._look)
        paint_back_hair(canvas, self._look)
        _shoulders(canvas, self._look)
        paint_head(canvas, self._look)
        paint_features(canvas, self._look)
        paint_hair(canvas, self._look)
        small = cv2.resize(canvas.colour, (view.width_px, view.height_px), interpolation=cv2.INTER_AREA)
        grain = stream(_ROOM_STREAM, self.seed, 1).normal(0, 0.008, small.shape[:2])
        return np.asarray(np.clip((small + grain[..., None]) * 255 + 0.5, 0, 255), np.uint8), self.landmarks


def puppet_targets(seeds: Iterable[int]) -> TargetSet:
    """Gray targets in canonical framing, one for each seed."""
    puppets = [Puppet(seed) for seed in seeds]
    images = [cv2.cvtColor(puppet.portrait()[0], cv2.COLOR_BGR2GRAY) for puppet in puppets]
    return TargetSet(
        np.stack(images).astype(np.uint8, copy=False),
        np.stack([puppet.landmarks for puppet in puppets]),
        tuple(f"puppet_{puppet.seed}" for puppet in puppets),
    )


def _room(canvas: Canvas, look: Look) -> None:
    """A wall in soft light, with a few things far out of focus."""
    rng = stream(_ROOM_STREAM, look.seed)
    wall = np.array(look.wall, np.float32)
    fall = 1.0 + 0.12 * look.light_from * np.clip(canvas.x / 3, -1, 1) - 0.1 * np.clip(canvas.y / 3, -1, 1)
    canvas.colour[:] = wall * fall[..., None]
    for _ in range(5):
        x, y = rng.uniform(-4, 4), rng.uniform(-2, 1.5)
        width, height, light = rng.uniform(0.3, 1.0), rng.uniform(0.3, 1.4), rng.uniform(0.6, 1.25)
        tint = rng.uniform(0.9, 1.1, 3)
        box = np.array(
            [(x - width, y - height), (x + width, y - height), (x + width, y + height), (x - width, y + height)]
        )
        canvas.paint(
            0.7 * canvas.shape(box, 0.09, rounds=1),
            _bgr(wall * light * tint),
        )
    canvas.colour[:] = cv2.GaussianBlur(canvas.colour, (0, 0), 0.06 * canvas.view.unit_px)


def _bgr(values: NDArray[np.floating]) -> Colour:
    return float(values[0]), float(values[1]), float(values[2])


def _shoulders(canvas: Canvas, look: Look) -> None:
    chin = float(look.landmarks[PART["oval"]][:, 1].max())
    top = chin + 0.22
    right = np.array(
        [
            (0.0, top + 0.3),
            (0.3, top + 0.16),
            (0.52, top),
            (1.2, top + 0.26),
            (1.62, top + 0.62),
            (1.8, top + 3),
            (0, top + 3),
        ]
    )
    outline = np.concatenate([right, (right * np.array([-1.0, 1.0]))[::-1]])
    mask = canvas.shape(outline, 0.012, rounds=2)
    light = 0.95 + 0.22 * look.light_from * np.clip(canvas.x, -1.5, 1.5) - 0.12 * np.abs(canvas.x)
    folds = 0.05 * np.sin(canvas.x * 5 + 2 * canvas.y) * np.sin(canvas.y * 3 + look.seed % 7)
    neck = np.array(
        [(-0.46, 0.8), (-0.43, chin + 0.12), (-0.7, top + 0.5), (0.7, top + 0.5), (0.43, chin + 0.12), (0.46, 0.8)]
    )
    canvas.paint(mask, (np.array(look.clothes, np.float32) * (light + folds)[..., None]).astype(np.float32))
    collar = np.array([(-0.5, top), (-0.3, top + 0.18), (0, top + 0.3), (0.3, top + 0.18), (0.5, top)])
    canvas.shade(0.8 * canvas.stroke(collar, 0.06, 0.012), 0.8)
    skin = np.array(look.skin, np.float32) * np.array([0.72, 0.76, 0.84], np.float32)
    canvas.paint(canvas.shape(neck, 0.01) * (1 - mask), _bgr(skin))
