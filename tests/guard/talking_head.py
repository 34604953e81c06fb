"""A synthetic participant whose picture is a function of time: a head that sways and a mouth that never says the same.

Loops, frozen pictures and reversed playback are then nothing but other functions of time.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_WAVES = 12


class TalkingHead:
    """Pictures of one participant, uint8 (height, width), near `brightness` in the mean; the seed is the take."""

    def __init__(self, brightness: int, seed: int = 0, size: tuple[int, int] = (160, 90)) -> None:
        random = np.random.default_rng(seed)
        self._brightness = brightness
        self._width, self._height = size
        coarse = np.random.default_rng(7).normal(0, 1, (16, 16)).astype(np.float32)
        side = 2 * self._height
        texture = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
        self._texture = 14 * texture / np.abs(texture).max()
        # Frequencies that share no period: the sum never repeats. Head (x, y) up to 1.5 Hz, mouth up to 5 Hz.
        self._frequencies = random.uniform(0.1, [[1.5], [1.5], [5.0]], (3, _WAVES))
        self._phases = random.uniform(0, 2 * np.pi, (3, _WAVES))

    def picture(self, seconds: float) -> NDArray[np.uint8]:
        """What the camera sees at this time."""
        if self._brightness == 0:
            return np.zeros((self._height, self._width), np.uint8)
        sway_x, sway_y, mouth = self._motion(seconds)
        reach = 0.03 * self._height
        moved = np.array([[1, 0, self._width / 2 - self._height + reach * sway_x], [0, 1, reach * sway_y]], np.float32)
        moved[1, 2] -= self._height / 2
        face = cv2.warpAffine(self._texture, moved, (self._width, self._height), borderMode=cv2.BORDER_REFLECT)
        center = (round(self._width / 2 + reach * sway_x), round(0.6 * self._height + reach * sway_y))
        axes = (max(1, round(0.09 * self._height)), max(1, round(0.04 * self._height * (1.2 + mouth))))
        cv2.ellipse(face, center, axes, 0, 0, 360, -14.0, -1)
        return np.clip(face + self._brightness, 0, 255).astype(np.uint8)

    def _motion(self, seconds: float) -> NDArray[np.float64]:
        """Sway across and down, and mouth, each about -1..1."""
        waves = np.sin(2 * np.pi * self._frequencies * seconds + self._phases).sum(axis=1)
        motion: NDArray[np.float64] = np.clip(waves / np.sqrt(_WAVES), -1.2, 1.2)
        return motion
