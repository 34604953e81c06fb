"""What every backend checks of a step's arrays before it touches any stream."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engines.errors import EngineInputError
from engines.protocol import FRAME_SIZE_PX

FRAME_SHAPE = (FRAME_SIZE_PX, FRAME_SIZE_PX)


def check_step(
    open_slots: int, slots: NDArray[np.int32], frames: NDArray[np.uint8], continues: NDArray[np.bool_]
) -> None:
    """Raises EngineInputError for what `engines.protocol.Engine.step` does not allow.

    open_slots: how many streams the engine is open for; 0 where it is not.
    """
    if open_slots == 0:
        raise EngineInputError("the engine is not open: call open(slots) first")
    if slots.ndim != 1:
        raise EngineInputError(f"slots must be one row of numbers, got shape {slots.shape}")
    for name, array, dtype, shape in (
        ("slots", slots, np.int32, (len(slots),)),
        ("frames", frames, np.uint8, (len(slots), *FRAME_SHAPE)),
        ("continues", continues, np.bool_, (len(slots),)),
    ):
        if array.dtype != dtype or array.shape != shape:
            wanted = f"{np.dtype(dtype).name} {shape}"
            raise EngineInputError(f"{name} must be {wanted}, got {array.dtype.name} {array.shape}")
    if slots.size and not (slots.min() >= 0 and slots.max() < open_slots):
        raise EngineInputError(f"slots {slots.tolist()} reach outside 0..{open_slots - 1}")
    if slots.size > 1 and len(np.unique(slots)) != slots.size:
        raise EngineInputError(f"slots {slots.tolist()} name a stream twice in one step")
