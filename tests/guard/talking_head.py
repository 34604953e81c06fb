"""A synthetic participant whose picture is a function of time: a head that sways and a mouth that never says the same.

Loops, frozen pictures and reversed playback are then nothing but other functions of time.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_WAVES = 12
_REACH_PX = 8


class TalkingHead:
    """Pictures of one participant, uint8 (90, 160), near `brightness` in the mean; the seed is the take."""

    def __init__(self, brightness: int, seed: int = 0) -> None:
        random = np.random.default_rng(seed)
        coarse = np.random.default_rng(7).normal(0, 1, (12, 20)).astype(np.float32)
        texture = cv2.resize(coarse, (160 + 4 * _REACH_PX, 90 + 4 * _REACH_PX), interpolation=cv2.INTER_CUBIC)
        self._scene = np.clip(brightness + 14 * texture / np.abs(texture).max(), 0, 255).astype(np.uint8)
        self._black = brightness == 0
        # Frequencies that share no period: the sum never repeats. Head (across, down) to 1.5 Hz, mouth to 5 Hz.
        self._frequencies = 2 * np.pi * random.uniform(0.1, [[1.5], [1.5], [5.0]], (3, _WAVES))
        self._phases = random.uniform(0, 2 * np.pi, (3, _WAVES))

    def picture(self, seconds: float) -> NDArray[np.uint8]:
        """What the camera sees at this time."""
        if self._black:
            return np.zeros((90, 160), np.uint8)
        waves = np.sin(self._frequencies * seconds + self._phases).sum(axis=1) / np.sqrt(_WAVES)
        across, down, mouth = np.clip(np.rint(_REACH_PX * waves), -2 * _REACH_PX, 2 * _REACH_PX).astype(int)
        left, top = 2 * _REACH_PX + across, 2 * _REACH_PX + down
        picture: NDArray[np.uint8] = self._scene[top : top + 90, left : left + 160].copy()
        opening = 1 + abs(mouth) // 2
        picture[50 - down : 50 - down + opening, 72 - across : 88 - across] -= 14
        return picture
