"""The contract between whoever has frames and whatever turns them into embeddings.

An engine keeps one *slot* per stream. Each call of `step` hands it at most one new frame per slot; every frame passes
the backbone once, its feature map is differenced with the slot's previous one, and a ring of pooled head outputs makes
the embedding of the last `window_frames` frames available at every frame, at a cost that does not depend on the window.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

FRAME_SIZE_PX = 128
"""Side of the square luma crop that every engine takes."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Turns a cohort-normalised comparison score into a log-likelihood ratio: `llr = slope * score + offset`.

    Natural logarithm; positive speaks for the enrolled driver. Fitted on drivers that no training step saw.
    `cohort` are embeddings (n, D) of such drivers, one row each, float32, L2-normalised.
    """

    slope: float
    offset: float
    cohort: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """What an engine computes, independent of where it runs."""

    name: str
    version: str
    window_frames: int
    """Frames that one embedding covers (T)."""
    temporal_margin: int
    """Positions that temporal context costs: a window of T frames holds T - temporal_margin pooled positions."""
    embedding_size: int
    fps_min: float
    fps_max: float
    pixel_mean: float
    """Fixed input normalisation, on full-range luma / 255: (x - pixel_mean) / pixel_std."""
    pixel_std: float
    model_sha256: str
    """Hash over spec, calibration, graphs and cohort; names the model in events and templates. The model card is not
    part of it, so that a mended card leaves templates valid."""
    calibration: Calibration

    @property
    def window_positions(self) -> int:
        """Pooled positions in a full window without a break."""
        return self.window_frames - self.temporal_margin


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """Which backend really runs, and why a faster one does not."""

    backend: str
    precision: str
    device: str
    fallback_reason: str | None


@dataclass(frozen=True, slots=True)
class Batching:
    """How a backend likes its frames: what `engines.batching` goes by."""

    max_frames: int
    """In one step; more wait for the next one, so that no stream waits for all others."""
    wait_seconds: float
    """How long a frame is worth holding back for frames of other streams; 0 where a batch costs the sum of its parts.
    """


@dataclass(frozen=True, slots=True)
class StepResult:
    """Outcome of one `step`, rows in the order of the call.

    embeddings: float32 (n, D), L2-normalised; a row of zeros where `valid_fraction` is 0.
    valid_fraction: float32 (n,), share of the window's positions that are filled and not next to a break.
    refused: int64 (m,), rows whose streams there is no room for where the engine runs; nothing of their frames is kept,
    and they are asked for again with the stream's next frame.
    """

    embeddings: NDArray[np.float32]
    valid_fraction: NDArray[np.float32]
    refused: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))


class Engine(Protocol):
    """A loaded engine with room for a number of streams. Not thread-safe: one thread calls it."""

    @property
    def spec(self) -> EngineSpec: ...

    @property
    def status(self) -> EngineStatus:
        """What runs now; it changes where a backend fails in use and another takes over."""

    @property
    def batching(self) -> Batching: ...

    @property
    def stream_bytes(self) -> int:
        """Memory that one stream takes where the engine runs: its maps, slices and positions."""

    def open(self, slots: int) -> None:
        """Make room for `slots` streams, numbered from 0, all empty. Raises EngineInputError below 1."""

    def reset(self, slot: int) -> None:
        """Forget everything about one stream: the next frame starts an empty window."""

    def step(self, slots: NDArray[np.int32], frames: NDArray[np.uint8], continues: NDArray[np.bool_]) -> StepResult:
        """Take one new frame for each named slot.

        slots: int32 (n,), each slot at most once.
        frames: uint8 (n, 128, 128), full-range luma.
        continues: bool (n,); False where a break lies between the slot's previous frame and this one, so that no
        difference is taken across it. The first frame after `open` or `reset` never continues, whatever is said.
        Raises EngineInputError for anything else, BackendFailedError where the backend broke and no other took over.
        """

    def close(self) -> None:
        """Free everything. May be called twice."""
