"""Gives memory that ended peers leave behind back to the system, so that a worker stays as small as it began.

A peer connection is a knot of references that only the garbage collector unties, and what decoders, SRTP and Python
took in turns leaves holes between what is still in use: malloc keeps those, 30 MB after about 100 joins.
"""

from __future__ import annotations

import ctypes
import gc


class SpentMemory:
    """To be made when everything is loaded: what exists by then is never looked at again, so `give_back` is cheap."""

    def __init__(self) -> None:
        gc.collect()
        gc.freeze()
        # Of glibc; others have no such holes, or no such call.
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None)

    def give_back(self) -> None:
        """Collect the garbage and return whole free pages. Takes milliseconds."""
        gc.collect()
        if self._trim is not None:
            self._trim(0)
