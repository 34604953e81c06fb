"""Calls as the guard hears them: what the engine says after every frame, and the live comparison score of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.comparison import comparison_scores
from engines.protocol import Calibration, Engine, EngineSpec

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class DriverStream:
    """One driver on one target: enrolled once, then followed frame by frame through another recording.

    template: float32 (D,), L2-normalised. embeddings: float32 (n, D), one for each frame. valid: float32 (n,), usable
    share of each frame's window. opening, ending: the first and last T frames of the recording, uint8 (T, 128, 128).
    """

    driver: int
    target: int
    fps: float
    template: NDArray[np.float32]
    embeddings: NDArray[np.float32]
    valid: NDArray[np.float32]
    opening: NDArray[np.uint8]
    ending: NDArray[np.uint8]


def stream_clip(
    engine: Engine, clip: NDArray[np.uint8], continues: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The engine on a clip (n, 128, 128), from an empty window on: embeddings (n, D) and valid shares (n,).

    continues: bool (n,), False where frames were lost before this one; None = nothing was lost.
    """
    engine.open(1)
    slot = np.zeros(1, np.int32)
    follows = np.ones(len(clip), np.bool_) if continues is None else continues
    embeddings = np.empty((len(clip), engine.spec.embedding_size), np.float32)
    valid = np.empty(len(clip), np.float32)
    for place, frame in enumerate(clip):
        result = engine.step(slot, np.ascontiguousarray(frame[None]), follows[place : place + 1])
        embeddings[place], valid[place] = result.embeddings[0], result.valid_fraction[0]
    return embeddings, valid


def splice(engine: Engine, before: DriverStream, after: DriverStream) -> tuple[NDArray[np.float32], Scores]:
    """The T frames after a swap, whose windows hold both drivers: embeddings (T, D) and valid shares (T,).

    The picture changes between two frames, so no difference is taken there, as after a gap in a call.
    """
    frames = len(before.ending)
    clip = np.concatenate([before.ending, after.opening])
    continues = np.arange(len(clip)) != frames
    embeddings, valid = stream_clip(engine, clip, continues)
    return embeddings[frames:], valid[frames:].astype(np.float64)


def live_scores(template: NDArray[np.float32], embeddings: NDArray[np.float32], cohort: NDArray[np.float32]) -> Scores:
    """The guard's comparison score of every frame's window (n,) with one template (D,)."""
    scores: Scores = comparison_scores(template[None], embeddings, cohort)[0].astype(np.float64)
    return scores


def log_likelihood_ratio(scores: Scores, calibration: Calibration) -> Scores:
    """Nats, as the engine ships them."""
    llr: Scores = calibration.slope * scores + calibration.offset
    return llr


def full_windows(stream: DriverStream, spec: EngineSpec) -> slice:
    """The frames whose window lies inside the recording."""
    return slice(spec.window_frames - 1, len(stream.embeddings))


def of_target(streams: Sequence[DriverStream], target: int) -> list[DriverStream]:
    """The streams that show one target."""
    return [stream for stream in streams if stream.target == target]
