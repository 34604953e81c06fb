"""Small videos for tests."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray


def noisy_frames(count: int, width: int = 96, height: int = 96, seed: int = 0) -> NDArray[np.uint8]:
    """Luma, uint8 (count, height, width), video range; no two frames and no two pixels alike."""
    return np.random.default_rng(seed).integers(16, 236, (count, height, width), dtype=np.uint8)


def write_video(
    path: Path, frames: NDArray[np.uint8], milliseconds: Sequence[int] | None = None, codec: str = "ffv1"
) -> Path:
    """A video of this luma, uint8 (T, H, W), at these times, or at 25 fps; ffv1 in .mkv gives it back exactly."""
    times = [40 * number for number in range(len(frames))] if milliseconds is None else milliseconds
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options={"movflags": "faststart"} if path.suffix == ".mp4" else {}) as container:
        stream = cast("VideoStream", container.add_stream(codec, rate=25))
        stream.height, stream.width = frames.shape[1:]
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for time, luma in zip(times, frames, strict=True):
            chroma = np.full((luma.shape[0] // 2, luma.shape[1]), 128, np.uint8)
            frame = av.VideoFrame.from_ndarray(np.concatenate([luma, chroma]), format="yuv420p")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
