"""One participant's way from a received frame to the picture that the engine takes."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.face_detector import FaceDetector
from engines.pacer import Pace, Pacer
from engines.pixels import CropBox, FaceBox, crop_frame, luma_plane
from engines.stable_crop import StableCrop
from guard.calls.source import ReceivedFrame
from guard.verify.states import AbstainReason

HIDDEN_MISSES = 3
"""So many looks in a row without a face, and there is no face to judge, though the crop still waits for it: from the
moment it is hidden at most a second until the next look and five frames for each further one, 1.9 s at 12 fps."""


@dataclass(frozen=True, slots=True)
class FaceFrame:
    """What an engine takes, with all that must be known about it."""

    pixels: NDArray[np.uint8]
    """uint8 (128, 128), full-range luma."""
    continues: bool
    """True where a difference with the FaceFrame before makes sense."""
    pts_seconds: float
    """Media time."""
    arrival_seconds: float
    """`time.monotonic()` when the decoded frame was handed over."""
    capture_seconds: float | None
    """Unix time of capture where the sender tells it."""
    crop_generation: int
    """Grows whenever the crop moves."""
    fps: float
    """Frame rate of the stream; 0 until it is known."""
    pixels_seconds: float
    """How long it took to find, cut and shrink the face."""


@dataclass(frozen=True, slots=True)
class NoFrame:
    """A frame that gives the engine nothing."""

    reason: AbstainReason | None
    """None where it was only left out to thin a fast stream."""
    pts_seconds: float
    arrival_seconds: float
    """`time.monotonic()` when the decoded frame was handed over."""
    fps: float


class FaceFrontEnd:
    """Luma, crop and pace of one participant. One thread at a time may use it."""

    def __init__(self, detector: FaceDetector, *, min_fps: float = 12.0) -> None:
        self._detector = detector
        self._pacer = Pacer(min_fps)
        self._crop = StableCrop()
        self._generation = 0
        self._unbroken = False

    def process(self, frame: ReceivedFrame) -> FaceFrame | NoFrame:
        """Turn the next frame into engine input. Never raises for what a sender may do."""
        started = time.perf_counter()
        pace = self._pacer.step(frame.pts_seconds, after_gap=frame.after_gap)
        if pace is Pace.SKIP:
            timeless = not math.isfinite(frame.pts_seconds)
            return self._no_frame(AbstainReason.UNSTEADY if timeless else None, frame)
        if self._pacer.too_slow:
            return self._without_frame(AbstainReason.FRAME_RATE_TOO_LOW, frame)
        try:
            pixels = self._face_pixels(frame)
        except (ValueError, cv2.error):  # a picture without luma, without a size, or of a silly one
            pixels = None
        if pixels is None or self._crop.misses >= HIDDEN_MISSES:
            return self._without_frame(AbstainReason.NO_FACE, frame)
        continues = self._unbroken and pace is Pace.CONTINUE and self._crop.generation == self._generation
        self._unbroken = True
        self._generation = self._crop.generation
        return FaceFrame(
            pixels=pixels,
            continues=continues,
            pts_seconds=frame.pts_seconds,
            arrival_seconds=frame.arrival_seconds,
            capture_seconds=frame.capture_seconds,
            crop_generation=self._generation,
            fps=self._pacer.fps,
            pixels_seconds=time.perf_counter() - started,
        )

    def _without_frame(self, reason: AbstainReason, frame: ReceivedFrame) -> NoFrame:
        self._unbroken = False
        return self._no_frame(reason, frame)

    def _no_frame(self, reason: AbstainReason | None, frame: ReceivedFrame) -> NoFrame:
        return NoFrame(reason, frame.pts_seconds, frame.arrival_seconds, self._pacer.fps)

    def _face_pixels(self, frame: ReceivedFrame) -> NDArray[np.uint8] | None:
        """The crop of the face, uint8 (128, 128), or None where no face is known."""
        luma = luma_plane(frame.image)

        def look(near: CropBox | None) -> FaceBox | None:
            return self._detector.detect(luma, near)

        box = self._crop.update(frame.pts_seconds, (luma.width_px, luma.height_px), look)
        return None if box is None else crop_frame(luma, box)
