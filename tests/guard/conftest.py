"""A guard without a network in it: an engine that reads the driver off the brightness, frames without a face."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from engines.pixels import CropBox, FaceBox, LumaPlane
from engines.protocol import Batching, Calibration, EngineSpec, EngineStatus, StepResult
from guard.calls.source import ReceivedFrame
from guard.media.front_end import FaceFrontEnd
from guard.verify.template import CONSENT_STATEMENT, CONSENT_TEXT_VERSION, ConsentRecord, Template
from tests.guard.talking_head import TalkingHead

SIZE = 16
WINDOW_FRAMES = 16
ALICE, MALLORY, NOBODY = 60, 200, 0
"""Brightness of the two drivers' frames, and of frames that show no face."""


def driver_embedding(brightness: float) -> NDArray[np.float32]:
    """What the engine below makes of frames of this brightness: float32 (16,), unit length."""
    direction = np.random.default_rng(round(brightness / 20)).normal(size=SIZE)
    return (direction / np.linalg.norm(direction)).astype(np.float32)


@dataclass
class BrightnessEngine:
    """An engine whose embedding depends on nothing but the mean brightness of the newest frame.

    room: slots from this number on are refused.
    """

    resets: list[int] = field(default_factory=list)
    batches: list[list[int]] = field(default_factory=list)
    filled: dict[int, int] = field(default_factory=dict)
    closed: bool = False
    room: int = 10**9
    batching: Batching = field(default_factory=lambda: Batching(max_frames=8, wait_seconds=0.0))

    @property
    def spec(self) -> EngineSpec:
        cohort = np.random.default_rng(99).normal(size=(64, SIZE))
        cohort /= np.linalg.norm(cohort, axis=1, keepdims=True)
        calibration = Calibration(slope=1.5, offset=-3.0, cohort=cohort.astype(np.float32))
        return EngineSpec("brightness", "0", WINDOW_FRAMES, 5, SIZE, 12, 35, 0.5, 0.25, "f" * 64, calibration)

    @property
    def status(self) -> EngineStatus:
        return EngineStatus("test", "fp32", "cpu", None)

    @property
    def stream_bytes(self) -> int:
        return 0

    def open(self, slots: int) -> None:
        self.filled = dict.fromkeys(range(slots), 0)

    def reset(self, slot: int) -> None:
        self.resets.append(slot)
        self.filled[slot] = 0

    def step(self, slots: NDArray[np.int32], frames: NDArray[np.uint8], continues: NDArray[np.bool_]) -> StepResult:
        assert continues.shape == slots.shape
        self.batches.append(slots.tolist())
        embeddings, fractions = [], []
        noise = np.random.default_rng(len(self.batches))
        for slot, frame in zip(slots.tolist(), frames, strict=True):
            self.filled[slot] = min(self.filled[slot] + 1, WINDOW_FRAMES)
            noisy = driver_embedding(float(frame.mean())) + noise.normal(0, 0.05, SIZE)
            embeddings.append(noisy / np.linalg.norm(noisy))
            fractions.append(self.filled[slot] / WINDOW_FRAMES)
        refused = np.flatnonzero(slots >= self.room)
        return StepResult(np.array(embeddings, np.float32), np.array(fractions, np.float32), refused)

    def close(self) -> None:
        self.closed = True


class BrightFaceDetector:
    """Finds a face in the middle of every frame that is not black."""

    def detect(self, luma: LumaPlane, near: CropBox | None = None) -> FaceBox | None:
        if luma.pixels.mean() < 1:
            return None
        return FaceBox(luma.width_px * 0.4, luma.height_px * 0.35, luma.height_px * 0.3, luma.height_px * 0.3, 0.9)


def gray_frame(brightness: int, pts_seconds: float, arrival_seconds: float) -> ReceivedFrame:
    """What somebody of about this brightness shows at this media time, full range: they move, never the same way."""
    image = av.VideoFrame.from_ndarray(_head(brightness).picture(pts_seconds), format="gray")
    return ReceivedFrame(image, pts_seconds, arrival_seconds, None, False)


@cache
def _head(brightness: int) -> TalkingHead:
    return TalkingHead(brightness)


@pytest.fixture
def brightness_engine() -> BrightnessEngine:
    return BrightnessEngine()


@pytest.fixture
def make_front_end() -> Callable[[], FaceFrontEnd]:
    return lambda: FaceFrontEnd(BrightFaceDetector())


@pytest.fixture
def consent() -> ConsentRecord:
    return ConsentRecord(CONSENT_TEXT_VERSION, CONSENT_STATEMENT, "alice", datetime.now(UTC))


@pytest.fixture
def alice_template(brightness_engine: BrightnessEngine, consent: ConsentRecord) -> Iterator[Template]:
    windows = np.stack([driver_embedding(ALICE)] * 4)
    yield Template("alice", windows, brightness_engine.spec.model_sha256, datetime.now(UTC), consent)
