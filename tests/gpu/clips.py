"""Clips that engines are compared on: the golden one in a few guises, and crops of real faces where they are given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engines.golden import golden_clip
from engines.step_input import FRAME_SHAPE


@dataclass(frozen=True, slots=True)
class Clip:
    """frames: uint8 (n, 128, 128). continues: bool (n,)."""

    name: str
    frames: NDArray[np.uint8]
    continues: NDArray[np.bool_]


def drawn_clips(window_frames: int) -> list[Clip]:
    """The golden clip as it is, mirrored, backwards, darker and noisy: more than one way to differ by rounding."""
    frames, continues = golden_clip(window_frames)
    noise = np.random.default_rng(0).integers(-6, 7, frames.shape, np.int16)
    guises = {
        "golden": frames,
        "mirrored": frames[:, :, ::-1],
        "backwards": frames[::-1],
        "darker": frames // 2,
        "noisy": np.clip(frames.astype(np.int16) + noise, 0, 255).astype(np.uint8),
    }
    return [Clip(name, np.ascontiguousarray(guise), continues) for name, guise in guises.items()]


def clips_in(folder: Path, longest: int = 160) -> list[Clip]:
    """Every `*.npy` of crops, uint8 (n, 128, 128), sorted by name and cut to `longest` frames.

    Raises ValueError for a file of anything else, or a folder without any.
    """
    clips = []
    for path in sorted(folder.glob("*.npy")):
        frames = np.load(path, mmap_mode="r", allow_pickle=False)
        if frames.dtype != np.uint8 or frames.shape[1:] != FRAME_SHAPE:
            raise ValueError(f"{path}: crops are uint8 (n, 128, 128), found {frames.dtype} {frames.shape}")
        cut = np.ascontiguousarray(frames[:longest])
        clips.append(Clip(path.stem, cut, np.ones(len(cut), np.bool_)))
    if not clips:
        raise ValueError(f"{folder}: holds no *.npy with crops")
    return clips
