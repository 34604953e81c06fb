"""Recordings of puppets: video files as a participant would hand in for enrolment."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

BITRATE_BPS = 800_000


def record(frames: Iterator[NDArray[np.uint8]], seconds: float, fps: int, path: Path) -> Path:
    """Encode the first `seconds` of `frames` (BGR, uint8 (height, width, 3)) as a VP8 file; returns its path."""
    with av.open(path, "w") as container:
        stream = None
        for picture in islice(frames, round(seconds * fps)):
            if stream is None:
                stream = container.add_stream("libvpx", rate=fps)
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.bit_rate = BITRATE_BPS
                # More threads than cores leave libvpx spinning: 87 ms a frame instead of 3 on two busy cores.
                stream.codec_context.thread_count = 1
                stream.options = {"deadline": "realtime", "cpu-used": "8", "auto-alt-ref": "0", "lag-in-frames": "0"}
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        if stream is not None:
            container.mux(stream.encode(None))
    return path
