"""Numbers that the numpy and the torch renderer share, and the soft step of the former."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

HEAD_SHIFT_LIMIT = 0.5
"""Heads move at most this far (face units) from their usual place; larger shifts are bent back smoothly, since the live
crop would follow them with a new segment anyway."""
HEAD_CENTRE = (0.0, 0.3)
HEAD_RADII = (1.2, 1.55)
"""Ellipse, in face units, that moves rigidly with the head."""
HEAD_FADE = 0.85
"""Share of the radius over which a still background gives way to the head."""
SOLVER_STEPS = 4
"""After these, the error is below a fiftieth of a pixel of the crop nearly everywhere."""
SLOPE_RANGE = (-0.5, 1.5)
SIDE_WIDTH = 0.08
"""Half width of the blend between the two eyeballs, at the bridge of the nose."""
NOTHING = 1e-3
"""Weight of plain skin where neither mask nor inner place claims a pixel."""


def smoothstep(value: NDArray[np.floating]) -> NDArray[np.float64]:
    """0 below -1, 1 above 1, smooth between."""
    ramp = np.clip((value + 1) / 2, 0, 1)
    return np.asarray(ramp * ramp * (3 - 2 * ramp))
