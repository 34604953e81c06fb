"""What a tracker adds on the small grey pictures that the guard hands it, as measured, to be added in training.

MediaPipe on 128x128 luma crops at 12.5 pictures a second against the tracks of the original pictures of the same clips:
36 clips of five sources (14 LRW-AR, 6 each of HDTF, LivePortrait and VoxCeleb2, 4 GRID), drawn with seed 0; medians
over clips of what is left after each clip's median difference. Values are in distances of the outer eye corners.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.expressions.signals import SIGNAL_NAMES
from training.expression_dynamics.recordings import Floats

_MEASURED: dict[str, tuple[float, float, float, float]] = {
    "right_brow_height": (0.0044, 0.0036, 0.95, 0.17),
    "left_brow_height": (0.0048, 0.0034, 0.95, 0.20),
    "right_inner_brow_height": (0.0040, 0.0026, 0.91, 0.17),
    "left_inner_brow_height": (0.0037, 0.0027, 0.95, 0.26),
    "brow_distance": (0.0038, 0.0023, 0.79, 0.27),
    "right_eye_opening": (0.0079, 0.0051, 1.01, 0.31),
    "left_eye_opening": (0.0082, 0.0058, 1.01, 0.27),
    "mouth_width": (0.0086, 0.0053, 0.97, 0.12),
    "lips_height": (0.0101, 0.0082, 0.90, 0.07),
    "mouth_opening": (0.0115, 0.0091, 0.87, 0.09),
    "nose_to_upper_lip": (0.0047, 0.0032, 0.92, 0.28),
    "lower_lip_to_chin": (0.0094, 0.0065, 0.87, 0.18),
    "right_mouth_corner_drop": (0.0059, 0.0045, 0.90, 0.17),
    "left_mouth_corner_drop": (0.0060, 0.0044, 0.90, 0.15),
    "right_nostril_to_corner": (0.0053, 0.0035, 0.95, 0.16),
    "left_nostril_to_corner": (0.0049, 0.0036, 0.95, 0.16),
    "nose_width": (0.0041, 0.0026, 0.92, 0.21),
}
"""Deviation of the difference; of its white part (deviation of its steps / sqrt 2); gain, median and deviation."""
_SLOW = 0.9
"""How much of the part that is not white stays from picture to picture: ours."""
_AMOUNT = 0.3
"""Deviation of the logarithm of how noisy one recording is beside another: ours."""


@dataclass(frozen=True, slots=True)
class TrackerNoise:
    """What one recording is changed by. gain: whether far and near movements change as well as noise is added."""

    gain: bool = True

    def apply(self, series: Floats, random: np.random.Generator) -> Floats:
        """Signals (n, 17) at 12.5 rows a second, of one recording, as the tracker would give them."""
        total, white, gain, spread = (_column(place) for place in range(4))
        slow = np.sqrt(np.maximum(total**2 - white**2, 0))
        amount = np.exp(_AMOUNT * random.standard_normal())
        noise = white * random.standard_normal(series.shape) + slow * _wander(series.shape, random)
        middle = np.median(series, axis=0)
        scale = np.clip(gain + spread * random.standard_normal(len(gain)), 0.4, 1.6) if self.gain else 1.0
        return np.asarray(middle + (series - middle) * scale + amount * noise, np.float32)


def _wander(shape: tuple[int, ...], random: np.random.Generator) -> NDArray[np.float64]:
    """Slow noise of unit deviation (n, C)."""
    found = random.standard_normal(shape)
    for row in range(1, shape[0]):
        found[row] = _SLOW * found[row - 1] + np.sqrt(1 - _SLOW**2) * found[row]
    return found


def _column(place: int) -> NDArray[np.float64]:
    return np.array([_MEASURED[name][place] for name in SIGNAL_NAMES])
