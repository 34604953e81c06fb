"""Points that lids take along, so that lashes and soft edges keep their shape while the skin around them stretches.

Real lids slide out of a fold; a map that only knows the lid's edge would magnify the lashes instead. The points are
affine in the landmarks, so that an affine motion of a face stays just that.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.drivers.landmarks import LANDMARKS, PART

_SKIN_SIDE, _SLIT_SIDE = 0.11, -0.06
"""Distance from the lid's edge in lengths of the nose: about 0.05 face units on the skin, 0.03 inside the slit."""
_LIDS = (("upper_lid_right", "upper_lid_left"), ("lower_lid_right", "lower_lid_left"))

_EACH = 10
SKIN_BAND = tuple(LANDMARKS + lids * _EACH + np.arange(_EACH) for lids in range(2))
SLIT_BAND = tuple(LANDMARKS + (2 + lids) * _EACH + np.arange(_EACH) for lids in range(2))
"""Rows of `band_operator` that go with the upper lids, and those that go with the lower ones."""


def band_operator() -> NDArray[np.float32]:
    """Linear operator (135, 95) from landmarks to landmarks and lid bands, for places and motions alike."""
    nose = range(LANDMARKS)[PART["nose"]]
    rows = [np.eye(LANDMARKS)]
    for distance in (_SKIN_SIDE, _SLIT_SIDE):
        for parts, up in zip(_LIDS, (1, -1), strict=True):
            band = np.concatenate([np.eye(LANDMARKS)[PART[part]] for part in parts])
            band[:, nose[0]] += up * distance
            band[:, nose[4]] -= up * distance
            rows.append(band)
    return np.concatenate(rows).astype(np.float32)
