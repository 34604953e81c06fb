"""Sizes read before decoding, checked against what real encoders write."""

from __future__ import annotations

import numpy as np
import pytest
from av import CodecContext, VideoFrame
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.calls.frame_size import CodedSize, read_frame_header


def encode(codec: str, width: int, height: int, profile: str | None = None, frames: int = 2) -> list[bytes]:
    """Encoded frames, the first of them a keyframe."""
    context = CodecContext.create("libvpx" if codec == "VP8" else "libx264", "w")
    context.width, context.height, context.pix_fmt = width, height, "yuv444p" if profile == "high444" else "yuv420p"
    context.bit_rate = 200_000
    if codec == "VP8":
        context.options = {"deadline": "realtime", "lag-in-frames": "0"}
    else:
        context.options = {"tune": "zerolatency", "preset": "ultrafast", **({"profile": profile} if profile else {})}
    rng = np.random.default_rng(1)
    encoded = []
    for index in range(frames):
        picture = rng.integers(0, 255, (height, width, 3), np.uint8)
        frame = VideoFrame.from_ndarray(picture, format="bgr24")
        frame.pts = index
        encoded.append(b"".join(bytes(packet) for packet in context.encode(frame)))
    return encoded


@pytest.mark.parametrize(("width", "height"), [(640, 360), (1920, 1080), (16, 16), (322, 242)])
def test_vp8_size_is_the_one_encoded(width: int, height: int) -> None:
    key, delta = encode("VP8", width, height)
    header = read_frame_header("VP8", key)
    assert header.keyframe
    assert header.sizes == (CodedSize(width, height),)
    assert not read_frame_header("VP8", delta).keyframe
    assert read_frame_header("VP8", delta).sizes == ()


@pytest.mark.parametrize("profile", ["baseline", "main", "high", "high444"])
@pytest.mark.parametrize(("width", "height"), [(640, 360), (1280, 720)])
def test_h264_size_is_the_one_encoded_in_whole_macroblocks(profile: str, width: int, height: int) -> None:
    key, delta = encode("H264", width, height, profile)
    header = read_frame_header("H264", key)
    assert header.keyframe
    assert header.sizes == (CodedSize(-(-width // 16) * 16, -(-height // 16) * 16),)
    assert not read_frame_header("H264", delta).keyframe


def test_every_sequence_parameter_set_of_a_frame_counts() -> None:
    """A small set in front must not hide a huge one behind it."""
    small, large = (encode("H264", *size)[0] for size in ((64, 64), (1280, 720)))
    assert len(read_frame_header("H264", small + large).sizes) == 2


SPS = b"\x00\x00\x00\x01\x67\x42\xc0\x1e\xd9\x00\xa0\x47\xfe\xc8"
PPS = b"\x00\x00\x00\x01\x68\xce\x38\x80"
IDR, SLICE = b"\x00\x00\x00\x01\x65\x88\x84", b"\x00\x00\x00\x01\x41\x9a\x00"


@pytest.mark.parametrize(
    ("codec", "data", "keyframe", "at_start", "coded", "shown"),
    [
        ("VP8", b"\x10\x00\x00\x9d\x01\x2a\x80\x02\x68\x01", True, True, True, True),
        ("VP8", b"\x11\x00\x00", False, False, True, True),
        ("VP8", b"\x01\x00\x00", False, False, True, False),  # a hidden reference frame
        ("H264", SPS + PPS + IDR, True, True, True, True),
        ("H264", b"\x00\x00\x00\x01\x09\xf0" + SPS + PPS + IDR, True, True, True, True),  # delimiter first
        ("H264", IDR, True, False, True, True),
        ("H264", b"\xff\xff" + SPS + PPS + IDR, True, False, True, True),  # the end of something before
        ("H264", SPS + PPS + SLICE, False, True, True, True),  # parameter sets make no keyframe
        ("H264", SPS + PPS, False, True, False, False),
        ("H264", SLICE, False, False, True, True),
    ],
)
def test_what_a_header_says(codec: str, data: bytes, keyframe: bool, at_start: bool, coded: bool, shown: bool) -> None:
    header = read_frame_header(codec, data)
    assert (header.keyframe, header.at_start, header.coded, header.shown) == (keyframe, at_start, coded, shown)


@pytest.mark.parametrize(
    ("codec", "data"),
    [
        ("VP8", b""),  # nothing
        ("VP8", b"\x00\x00"),  # shorter than the frame tag
        ("VP8", b"\x10\x00\x00\x9d\x01\x2b\x00\x01\x00\x01"),  # wrong start code
        ("VP8", b"\x10\x00\x00\x9d\x01\x2a\x00\x01"),  # cut in the size
        ("H264", b""),  # nothing
        ("H264", b"\x65\x88\x84"),  # no start code
        ("H264", b"\x00\x00\x01\x67\x42\x00\x1f"),  # parameter set cut after its level
        ("H264", b"\x00\x00\x01\x67\x42\x00\x1f" + bytes(64)),  # number that never ends
        ("H264", b"\x00\x00\x01\x06\x05" * 300),  # more units than any real frame
        ("VP9", b"\x82\x49\x83\x42"),  # a codec that is never negotiated
    ],
)
def test_damaged_headers_are_refused(codec: str, data: bytes) -> None:
    with pytest.raises(ValueError, match=r"VP8|H\.264|codec"):
        read_frame_header(codec, data)


@given(data=st.binary(max_size=600), codec=st.sampled_from(["VP8", "H264"]), with_sps=st.booleans())
@settings(deadline=None)
def test_any_bytes_give_a_header_or_a_value_error(data: bytes, codec: str, with_sps: bool) -> None:
    try:
        header = read_frame_header(codec, b"\x00\x00\x01\x67" + data if with_sps else data)
    except ValueError:
        return
    assert all(size.width_px >= 0 and size.height_px >= 0 for size in header.sizes)
