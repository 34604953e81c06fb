"""A puppet before a webcam: endless pictures of one painted face, moved by whoever holds the strings."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from training.drivers.performance import Performance
from training.generators.layers import Image
from training.generators.mesh_warp import FaceWarp
from training.generators.targets import View
from training.puppets.puppet import Puppet

_UNITS_HIGH = 4.2
"""Height of the picture in face units: a head and shoulders before a webcam."""
_EYES_AT = 0.43
_MARGIN_UNITS = 0.5
_HALF_WIDTH_UNITS = 2.35
"""What lies further from the middle never moves: only this band is rendered anew."""
_FACES_KEPT = 4
"""Painting and cutting a face takes as long as a hundred pictures of it; recordings of one face follow one another."""


class PuppetPlayer:
    """Iterator of BGR pictures, uint8 (height, width, 3), of a puppet moved by an artificial driver.

        player = PuppetPlayer(puppet_seed=1_200_000, driver_seed=1_200_000)
        for picture in player: ...
        player.switch(1_200_001)    # the attack: the same face, somebody else's motion

    Args:
        puppet_seed: whose face (drivers.seeds says which seeds are for demos).
        driver_seed: whose motion.
        take: which sentences; the same person says other things in other takes.
        fps: rate at which the pictures will be shown.
        size: width and height in pixels.
    """

    def __init__(
        self,
        puppet_seed: int,
        driver_seed: int,
        take: int = 0,
        fps: float = 30.0,
        size: tuple[int, int] = (640, 360),
    ) -> None:
        width, height = size
        unit = height / _UNITS_HIGH
        margin = round(_MARGIN_UNITS * unit)
        top = -_EYES_AT * _UNITS_HIGH
        scene = View(-width / 2 / unit, top - margin / unit, unit, width, height + 2 * margin)
        half = min(round(_HALF_WIDTH_UNITS * unit), width // 2)
        self._columns = slice(width // 2 - half, width // 2 + half)
        seen = View(-width / 2 / unit + self._columns.start / unit, top, unit, 2 * half, height)
        picture, self._warp = _painted(puppet_seed, scene, seen)
        self._still = picture[margin : margin + height].copy()
        self._performance = Performance(driver_seed, fps, take)
        self.eye_center_px = (width / 2, -top * unit)
        """Midpoint of the outer eye corners of the face at rest, x and y from the picture's corner."""
        self.eye_distance_px = unit

    @property
    def driver_seed(self) -> int:
        """Who drives now."""
        return self._performance.driver_seed

    def switch(self, driver_seed: int) -> None:
        """Hand the strings to another driver; the head glides over within 0.8 s, the face stays."""
        self._performance.switch(driver_seed)

    def __iter__(self) -> PuppetPlayer:
        return self

    def __next__(self) -> Image:
        landmarks, head = next(self._performance)
        picture = self._still.copy()
        picture[:, self._columns] = self._warp.render(landmarks, head)
        return np.ascontiguousarray(picture)


@lru_cache(maxsize=_FACES_KEPT)
def _painted(seed: int, scene: View, seen: View) -> tuple[Image, FaceWarp]:
    """A puppet's picture in a scene, and what moves it."""
    picture, landmarks = Puppet(seed).portrait(scene)
    return picture, FaceWarp(picture, landmarks, scene, seen)
