"""Headers of encoded frames: a size or a ValueError, nothing else."""

from __future__ import annotations

from guard.calls.frame_size import FrameHeader, read_frame_header


def vp8_header(data: bytes) -> None:
    """VP8: 14 bits for each side."""
    header = _read("VP8", data)
    if header is not None:
        assert header.keyframe == bool(header.sizes)
        assert all(0 <= side < 1 << 14 for size in header.sizes for side in (size.width_px, size.height_px))


def h264_header(data: bytes) -> None:
    """H.264, as Annex B bytes."""
    header = _read("H264", data)
    if header is not None:
        assert header.coded or not header.keyframe
        assert all(side >= 16 for size in header.sizes for side in (size.width_px, size.height_px))


def _read(codec: str, data: bytes) -> FrameHeader | None:
    try:
        return read_frame_header(codec, data)
    except ValueError:
        return None
