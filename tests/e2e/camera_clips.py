"""Clips that Chromium plays as its camera: Motion JPEG with the frame's number burnt in."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from guard.bench.barcode import BLACK, WHITE

WIDTH_PX, HEIGHT_PX, FPS = 640, 360, 30

Picture = NDArray[np.uint8]


def real_pictures(video: Path, start_seconds: float = 0.0) -> Iterator[Picture]:
    """Frames of a real clip at 30 a second, fitted into 640x360 below the stripe that the number takes."""
    with av.open(video) as container:
        stream = container.streams.video[0]
        rate = stream.average_rate or Fraction(FPS)
        shown = 0
        for index, frame in enumerate(container.decode(stream)):
            seconds = index / float(rate) - start_seconds
            picture = None
            while seconds >= 0 and shown / FPS <= seconds:
                picture = (
                    _fitted(np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)) if picture is None else picture
                )
                shown += 1
                yield picture


def _fitted(picture: Picture) -> Picture:
    height = HEIGHT_PX - HEIGHT_PX // 12
    width = round(picture.shape[1] * height / picture.shape[0])
    scene = np.full((HEIGHT_PX, WIDTH_PX, 3), (BLACK + WHITE) // 2, np.uint8)
    left = (WIDTH_PX - width) // 2
    scene[HEIGHT_PX - height :, left : left + width] = cv2.resize(
        picture, (width, height), interpolation=cv2.INTER_AREA
    )
    return scene
