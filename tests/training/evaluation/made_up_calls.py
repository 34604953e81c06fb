"""Calls in a made-up space: a frame shows its driver's number, an engine without a network embeds it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engines.protocol import FRAME_SIZE_PX, Batching, Calibration, EngineSpec, EngineStatus, StepResult
from tests.guard.verify.driver_space import SIZE, unit
from training.evaluation.streams import DriverStream, stream_clip

WINDOW_FRAMES = 8
FPS = 4.0


class MadeUpEngine:
    """Embeds the mean of its window, each frame being the direction of its driver plus noise of its own.

    Pixel (0, 0) of a frame says who drives, pixel (0, 1) which noise.
    """

    def __init__(self, spread: float) -> None:
        cohort = np.stack([unit(np.random.default_rng(1000 + seed).standard_normal(SIZE)) for seed in range(80)])
        self.spec = EngineSpec(
            name="made-up",
            version="1",
            window_frames=WINDOW_FRAMES,
            temporal_margin=0,
            embedding_size=SIZE,
            fps_min=1.0,
            fps_max=100.0,
            pixel_mean=0.5,
            pixel_std=0.25,
            model_sha256="a" * 64,
            calibration=Calibration(slope=2.0, offset=-5.0, cohort=cohort),
        )
        self.status = EngineStatus("made-up", "fp32", "cpu", None)
        self.batching = Batching(max_frames=8, wait_seconds=0.0)
        self.stream_bytes = 0
        self._spread = spread
        self._windows: list[list[NDArray[np.float64] | None]] = []

    def open(self, slots: int) -> None:
        self._windows = [[] for _ in range(slots)]

    def reset(self, slot: int) -> None:
        self._windows[slot] = []

    def step(self, slots: NDArray[np.int32], frames: NDArray[np.uint8], continues: NDArray[np.bool_]) -> StepResult:
        rows, valid = [], []
        for slot, frame, follows in zip(slots.tolist(), frames, continues.tolist(), strict=True):
            shown = direction(int(frame[0, 0])) + self._spread * direction(10_000 + int(frame[0, 1]))
            self._windows[slot] = [*self._windows[slot], shown if follows else None][-WINDOW_FRAMES:]
            counted = [row for row in self._windows[slot] if row is not None]
            rows.append(unit(np.mean(counted, axis=0)) if counted else np.zeros(SIZE, np.float32))
            valid.append(len(counted) / WINDOW_FRAMES)
        return StepResult(np.stack(rows), np.array(valid, np.float32))

    def close(self) -> None:
        self._windows = []


def made_up_engine(spread: float = 0.5) -> MadeUpEngine:
    return MadeUpEngine(spread)


def direction(number: int) -> NDArray[np.float32]:
    return unit(np.random.default_rng(number).standard_normal(SIZE))


def clip(driver: int, frames: int, seed: int) -> NDArray[np.uint8]:
    pixels = np.zeros((frames, FRAME_SIZE_PX, FRAME_SIZE_PX), np.uint8)
    pixels[:, 0, 0] = driver
    pixels[:, 0, 1] = np.random.default_rng([seed, driver]).integers(0, 256, frames)
    return pixels


def made_up_streams(*, drivers: int, targets: int, frames: int, spread: float) -> list[DriverStream]:
    """Every driver on every target; numbers of drivers are theirs on all targets."""
    engine = made_up_engine(spread)
    streams = []
    for target in range(targets):
        for driver in range(drivers):
            pixels = clip(driver, frames, target)
            embeddings, valid = stream_clip(engine, pixels)
            opening, ending = pixels[:WINDOW_FRAMES], pixels[-WINDOW_FRAMES:]
            streams.append(DriverStream(driver, target, FPS, direction(driver), embeddings, valid, opening, ending))
    return streams
