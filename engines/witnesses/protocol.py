"""The contract between whoever has tracked expressions and a *witness*, which turns windows of them into embeddings.

A witness is a second opinion beside the engine. It reads what an expression tracker makes of the same face frames
(`engines.expressions`), and its embeddings are compared as the engine's are: `engines.comparison`, then calibration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engines.expressions.series import Reads
from engines.protocol import Calibration

CHANNELS: dict[Reads, int] = {"signals": 17, "blendshapes": 52}
"""Channels (C) of each series."""


@dataclass(frozen=True, slots=True)
class WitnessSpec:
    """What a witness computes, independent of where it runs."""

    name: str
    version: str
    reads: Reads
    rate_hz: float
    """Samples a second of its windows; whatever was tracked is resampled to it by time stamps."""
    window_frames: int
    """Samples that one embedding covers (T)."""
    embedding_size: int
    model_sha256: str
    """Hash over spec, calibration, graph and cohort; templates carry it."""
    calibration: Calibration

    @property
    def channels(self) -> int:
        """C of its windows."""
        return CHANNELS[self.reads]

    @property
    def window_seconds(self) -> float:
        """From the first sample of a window to the end of its last one."""
        return self.window_frames / self.rate_hz


class Witness(Protocol):
    """A loaded witness. Not thread-safe: one thread calls it."""

    @property
    def spec(self) -> WitnessSpec: ...

    def embed(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embeddings float32 (n, D), L2-normalised rows, never zeros.

        windows: float32 (n, T, C), finite, without a gap. Raises EngineInputError for anything else,
        BackendFailedError where the graph fails or gives rows that are not of length 1.
        """
