"""What an engine has to answer: one small clip, the same everywhere, and what its model made of it in training.

Every backend is held against the same vectors, so a wrong build or a driver that computes otherwise shows before a call
does. The clip is drawn by formula, so a folder holds the answers alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from engines.errors import ModelFolderError
from engines.protocol import FRAME_SIZE_PX, Engine

GOLDEN_FILE = "golden.npz"

GOLDEN_COSINE = 0.9999
"""Smallest cosine to a golden vector that passes (`design.md`, streaming equals offline)."""

GOLDEN_COSINE_HALF = 0.999
"""The same for backends in half precision; measured on the CPU: 0.99998 (`engines/tensorrt`)."""

_AFTER_WINDOW = 16
"""Frames that follow the first full window."""


@dataclass(frozen=True, slots=True)
class GoldenVectors:
    """frames: int64 (k,), of `golden_clip`. embeddings: float32 (k, D), what stands after each of them."""

    frames: NDArray[np.int64]
    embeddings: NDArray[np.float32]


def golden_clip(window_frames: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A drawn face that talks, blinks and sways: frames uint8 (n, 128, 128) and continues bool (n,), with one break in
    the middle of the first window; n = window_frames + 16."""
    count = window_frames + _AFTER_WINDOW
    y, x = np.mgrid[:FRAME_SIZE_PX, :FRAME_SIZE_PX].astype(np.float64)
    frames = np.empty((count, FRAME_SIZE_PX, FRAME_SIZE_PX), np.uint8)
    for t in range(count):
        sway, opening = 1.5 * np.sin(t / 9), 4 + 3 * np.sin(t / 2.3)
        lids = 1 if t % 29 in (11, 12, 13) else 5
        luma = 70 + 110 * np.exp(-(((x - 64 - sway) / 40) ** 4) - ((y - 64) / 52) ** 4) + (37 * x + 101 * y) % 7
        for left in (46, 82):
            luma -= 90 * np.exp(-(((x - left - sway) / 7) ** 2) - ((y - 52) / lids) ** 2)
        luma -= 80 * np.exp(-(((x - 64 - sway) / 14) ** 2) - ((y - 90) / opening) ** 2)
        frames[t] = np.clip(np.round(luma), 0, 255)
    continues = np.ones(count, np.bool_)
    continues[[0, window_frames // 2]] = False
    return frames, continues


def golden_frames(window_frames: int) -> NDArray[np.int64]:
    """Where the clip is looked at: with the break in the window, with it almost out of it, and at the end."""
    return np.array([window_frames - 1, window_frames + _AFTER_WINDOW // 2, window_frames + _AFTER_WINDOW - 1])


def golden_bound(precision: str) -> float:
    """The smallest cosine that passes for a backend of this precision ("fp32", "fp16")."""
    return GOLDEN_COSINE if precision == "fp32" else GOLDEN_COSINE_HALF


def write_golden(golden: GoldenVectors, folder: Path) -> None:
    """Put them into an engine folder."""
    np.savez(folder / GOLDEN_FILE, frames=golden.frames, embeddings=golden.embeddings)


def read_golden(folder: Path) -> GoldenVectors:
    """Those of an engine folder. Raises ModelFolderError where there are none that can be read."""
    path = folder / GOLDEN_FILE
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            golden = GoldenVectors(arrays["frames"], arrays["embeddings"].astype(np.float32))
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise ModelFolderError(f"{path}: no golden vectors ({error}); export the engine again") from None
    if golden.embeddings.ndim != 2 or golden.frames.shape != golden.embeddings.shape[:1] or not len(golden.frames):
        raise ModelFolderError(f"{path}: frames and embeddings do not belong together; export the engine again")
    return golden


def golden_cosine(engine: Engine, golden: GoldenVectors) -> float:
    """Stream the clip through an engine, which is opened for it and closed: the smallest cosine to a golden vector.

    Raises ModelFolderError where the vectors are not those of such an engine.
    """
    frames, continues = golden_clip(engine.spec.window_frames)
    if (
        golden.embeddings.shape[1] != engine.spec.embedding_size
        or not np.isin(golden.frames, np.arange(len(frames))).all()
    ):
        raise ModelFolderError("these golden vectors belong to an engine of another shape; export the engine again")
    engine.open(1)
    slot = np.zeros(1, np.int32)
    answers = [engine.step(slot, frames[t][None], continues[t : t + 1]).embeddings[0] for t in range(len(frames))]
    engine.close()
    found = np.stack(answers)[golden.frames]
    return float((found * golden.embeddings).sum(axis=1, dtype=np.float64).min())
