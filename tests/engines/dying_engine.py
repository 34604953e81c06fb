"""A backend that works for a while and then breaks, as a device does that falls off the bus."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engines.errors import BackendFailedError
from engines.protocol import Batching, Engine, EngineSpec, EngineStatus, StepResult

LOST = "device lost"


class DyingEngine:
    """Passes everything on to another engine until it dies.

    steps: how many steps it takes. opens: how often it can be opened. From the end of either on everything raises
    BackendFailedError; `close` raises an error that no contract knows.
    """

    def __init__(self, inner: Engine, *, steps: int = 10**9, opens: int = 10**9) -> None:
        self._inner = inner
        self._steps_left = steps
        self._opens_left = opens
        self.closed = False

    @property
    def spec(self) -> EngineSpec:
        return self._inner.spec

    @property
    def status(self) -> EngineStatus:
        return EngineStatus("dying", "fp16", "a device", None)

    @property
    def batching(self) -> Batching:
        return Batching(max_frames=64, wait_seconds=0.003)

    @property
    def stream_bytes(self) -> int:
        return self._inner.stream_bytes

    def open(self, slots: int) -> None:
        self._opens_left -= 1
        self._look()
        self._inner.open(slots)

    def reset(self, slot: int) -> None:
        self._look()
        self._inner.reset(slot)

    def step(self, slots: NDArray[np.int32], frames: NDArray[np.uint8], continues: NDArray[np.bool_]) -> StepResult:
        self._steps_left -= 1
        self._look()
        return self._inner.step(slots, frames, continues)

    def close(self) -> None:
        self.closed = True
        self._inner.close()
        if self._steps_left < 0:
            raise RuntimeError("unspecified launch failure")

    def die(self) -> None:
        """Now."""
        self._steps_left = -1

    def _look(self) -> None:
        if self._steps_left < 0 or self._opens_left < 0:
            raise BackendFailedError(LOST)
