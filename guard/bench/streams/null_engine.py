"""An engine that computes nothing: what is left is the cost of everything else."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engines.protocol import Batching, EngineSpec, EngineStatus, StepResult


class NullEngine:
    """Answers every step at once, with the same embedding for everybody."""

    stream_bytes = 0

    def __init__(self, spec: EngineSpec) -> None:
        self.spec = spec
        self.status = EngineStatus("none", "none", "none", None)
        self.batching = Batching(max_frames=256, wait_seconds=0.0)
        self._embedding = np.full(spec.embedding_size, spec.embedding_size**-0.5, np.float32)

    def open(self, slots: int) -> None:
        """There is room for everybody."""

    def reset(self, slot: int) -> None:
        """There is nothing to forget."""

    def step(
        self,
        slots: NDArray[np.int32],
        frames: NDArray[np.uint8],  # noqa: ARG002 - the protocol's
        continues: NDArray[np.bool_],  # noqa: ARG002
    ) -> StepResult:
        """A full window for every stream."""
        return StepResult(np.tile(self._embedding, (len(slots), 1)), np.ones(len(slots), np.float32))

    def close(self) -> None:
        """There is nothing to free."""
