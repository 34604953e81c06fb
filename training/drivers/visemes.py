"""The mouth shapes of speech that all artificial people share, before personal habits colour them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOUTH_CONTROLS = ("jaw_open", "jaw_side", "lips_wide", "lips_round", "lips_press", "upper_lip_up", "lower_lip_down")

_SHAPES: dict[str, tuple[float, ...]] = {
    # name: jaw_open, jaw_side, wide, round, press, upper_up, lower_down
    "rest": (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    "p": (0.03, 0.0, 0.0, 0.05, 0.9, 0.0, 0.0),
    "f": (0.1, 0.0, 0.1, 0.0, 0.2, 0.3, -0.5),
    "t": (0.18, 0.0, 0.12, 0.0, 0.0, 0.05, 0.2),
    "s": (0.08, 0.0, 0.4, 0.0, 0.0, 0.25, 0.4),
    "sh": (0.14, 0.0, 0.0, 0.55, 0.0, 0.3, 0.35),
    "k": (0.27, 0.0, 0.08, 0.0, 0.0, 0.05, 0.05),
    "r": (0.22, 0.0, 0.0, 0.3, 0.0, 0.05, 0.1),
    "aa": (0.85, 0.0, 0.12, 0.0, 0.0, 0.2, 0.25),
    "eh": (0.5, 0.0, 0.4, 0.0, 0.0, 0.2, 0.3),
    "iy": (0.22, 0.0, 0.7, 0.0, 0.0, 0.15, 0.3),
    "ow": (0.5, 0.0, 0.0, 0.75, 0.0, 0.05, 0.1),
    "uw": (0.2, 0.0, 0.0, 1.0, 0.0, 0.0, 0.05),
    "uh": (0.38, 0.0, 0.05, 0.05, 0.0, 0.1, 0.15),
}

VISEMES = tuple(_SHAPES)
VISEME_TARGETS: NDArray[np.float64] = np.array(list(_SHAPES.values()))
"""Mouth controls of each viseme, (visemes, MOUTH_CONTROLS)."""

CONSONANTS = np.array([VISEMES.index(name) for name in ("p", "f", "t", "s", "sh", "k", "r")])
CONSONANT_SHARES = np.array([0.14, 0.08, 0.34, 0.13, 0.06, 0.12, 0.13])
VOWELS = np.array([VISEMES.index(name) for name in ("aa", "eh", "iy", "ow", "uw", "uh")])
VOWEL_SHARES = np.array([0.2, 0.2, 0.19, 0.12, 0.08, 0.21])
"""Rough shares of running speech; the same language for everybody."""
