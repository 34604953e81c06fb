"""One way from a decoded frame to 128x128 full-range luma, equal to what PyAV calls gray."""

from __future__ import annotations

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engines.pixels import (
    FACE_TO_CROP,
    CropBox,
    FaceBox,
    LumaPlane,
    crop_frame,
    crop_from_eyes,
    face_crop,
    full_range,
    luma_plane,
)

JPEG_RANGE = 2


def yuv_frame(luma: NDArray[np.uint8], pixel_format: str = "yuv420p") -> av.VideoFrame:
    """A planar YUV frame with this Y plane, uint8 (height, width), and gray chroma."""
    height, width = luma.shape
    frame = av.VideoFrame(width, height, pixel_format)
    for index, plane in enumerate(frame.planes):
        rows = np.full((plane.height, plane.line_size), 128 if index else 77, np.uint8)  # 77: padding must never show
        if index == 0:
            rows[:, :width] = luma
        plane.update(rows.tobytes())
    return frame


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(16, 236, (height, width), dtype=np.uint8)


def test_every_level_is_what_pyav_calls_gray() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    frame = yuv_frame(np.repeat(np.repeat(levels, 2, axis=0), 2, axis=1))
    expected = frame.to_ndarray(format="gray")[::2, ::2]
    assert np.array_equal(full_range(luma_plane(frame).pixels[::2, ::2]), expected)


@given(shape=st.lists(st.integers(0, 40), min_size=1, max_size=4), seed=st.integers(0, 100), reverse=st.booleans())
@settings(deadline=None)
def test_full_range_is_the_rounded_formula_for_every_shape(shape: list[int], seed: int, reverse: bool) -> None:
    gray = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    if reverse:
        gray = gray[::-1].swapaxes(0, -1)  # not contiguous
    expected = np.clip(np.floor((gray.astype(float) - 16) * 255 / 219 + 0.5), 0, 255)
    assert np.array_equal(full_range(gray), expected)


@pytest.mark.parametrize("size", [(240, 320), (31, 33), (180, 322), (1, 1), (7, 1), (255, 257)])
def test_rows_are_cut_at_the_width_not_at_the_stride(size: tuple[int, int]) -> None:
    luma = noise(*size)
    plane = luma_plane(yuv_frame(luma))
    assert (plane.height_px, plane.width_px) == size
    assert np.array_equal(plane.pixels, luma)


@pytest.mark.parametrize("pixel_format", ["nv12", "yuv422p", "yuv444p"])
def test_other_layouts_with_a_luma_plane_are_taken(pixel_format: str) -> None:
    luma = noise(48, 50)
    assert np.array_equal(luma_plane(yuv_frame(luma, pixel_format)).pixels, luma)


@pytest.mark.parametrize("pixel_format", ["rgb24", "gbrp", "yuyv422", "yuv420p10le", "pal8", "gray10le", "monow"])
def test_formats_without_8_bit_luma_are_refused(pixel_format: str) -> None:
    with pytest.raises(ValueError, match=pixel_format):
        luma_plane(av.VideoFrame(64, 48, pixel_format))


def test_a_frame_without_pixels_is_refused() -> None:
    with pytest.raises(ValueError, match="0x0"):
        luma_plane(av.VideoFrame(0, 0, "yuv420p"))


def test_full_range_frames_are_left_as_they_are() -> None:
    luma = np.random.default_rng(1).integers(0, 256, (128, 128), dtype=np.uint8)
    flagged = yuv_frame(luma)
    flagged.color_range = JPEG_RANGE
    for frame in (flagged, yuv_frame(luma, "yuvj420p"), yuv_frame(luma, "gray")):
        assert np.array_equal(crop_frame(luma_plane(frame), CropBox(0, 0, 128)), luma)


def test_crop_shrinks_by_area() -> None:
    luma = noise(300, 400)
    crop = crop_frame(LumaPlane(luma, full_range=True), CropBox(20, 30, 256))
    blocks = luma[30:286, 20:276].reshape(128, 2, 128, 2).mean(axis=(1, 3))
    assert np.abs(crop - blocks).max() <= 0.5


def test_range_is_mapped_after_shrinking() -> None:
    luma = noise(256, 256)
    small = cv2.resize(luma, (128, 128), interpolation=cv2.INTER_AREA).astype(np.uint8)
    assert np.array_equal(crop_frame(LumaPlane(luma, full_range=False), CropBox(0, 0, 256)), full_range(small))


@settings(deadline=None)
@given(
    x=st.integers(-400, 400),
    y=st.integers(-400, 400),
    side=st.integers(1, 400),
    height=st.integers(1, 90),
    width=st.integers(1, 90),
)
def test_a_crop_over_the_edge_repeats_the_nearest_pixel(x: int, y: int, side: int, height: int, width: int) -> None:
    luma = noise(height, width)
    box = CropBox(x, y, side)
    if x >= width or y >= height or x + side <= 0 or y + side <= 0:
        with pytest.raises(ValueError, match="outside"):
            crop_frame(LumaPlane(luma, full_range=True), box)
        return
    rows = np.clip(np.arange(y, y + side), 0, height - 1)
    columns = np.clip(np.arange(x, x + side), 0, width - 1)
    expected = cv2.resize(luma[np.ix_(rows, columns)], (128, 128), interpolation=cv2.INTER_AREA)
    assert np.array_equal(crop_frame(LumaPlane(luma, full_range=True), box), expected)


def test_a_crop_has_a_side() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        CropBox(0, 0, 0)


@settings(deadline=None)
@given(x=st.floats(-50, 2000), y=st.floats(-50, 2000), width=st.floats(1, 900), height=st.floats(1, 900))
def test_the_crop_is_centred_on_the_face(x: float, y: float, width: float, height: float) -> None:
    face = FaceBox(x, y, width, height, 0.9)
    box = face_crop(face)
    assert abs(box.x + box.side / 2 - face.center[0]) <= 1
    assert abs(box.y + box.side / 2 - face.center[1]) <= 1
    assert abs(box.side - FACE_TO_CROP * max(width, height)) <= 0.5


@settings(deadline=None)
@given(x=st.floats(0, 1000), y=st.floats(0, 1000), distance=st.floats(20, 300), zoom=st.floats(0.5, 3))
def test_the_crop_from_eyes_scales_with_the_picture(x: float, y: float, distance: float, zoom: float) -> None:
    box = crop_from_eyes((x, y), distance)
    larger = crop_from_eyes((x * zoom, y * zoom), distance * zoom)
    assert abs(larger.side - box.side * zoom) <= 0.5 * zoom + 0.5
    assert abs(larger.x - box.x * zoom) <= zoom + 1
    assert abs(larger.y - box.y * zoom) <= zoom + 1
    # The eyes lie above the middle, and a head that is upright has them on the vertical through it.
    assert box.y < y < box.y + box.side / 2
    assert abs(box.x + box.side / 2 - x) <= 1


def test_a_turned_recording_is_put_upright() -> None:
    upright = noise(48, 64)
    assert np.array_equal(luma_plane(yuv_frame(upright)).pixels, upright)
    for turns in (1, 2, 3):
        frame = Turned(yuv_frame(np.rot90(upright, -turns)), 90 * turns)
        assert np.array_equal(luma_plane(frame).pixels, upright)  # type: ignore[arg-type]


class Turned:
    """A frame with a display matrix, which PyAV can read and not write."""

    def __init__(self, frame: av.VideoFrame, rotation: int) -> None:
        self._frame = frame
        self.rotation = rotation

    def __getattr__(self, name: str) -> object:
        return getattr(self._frame, name)
