"""A made-up space of drivers in which the answer is known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from engines.protocol import Calibration, EngineSpec
from guard.verify.template import CONSENT_STATEMENT, CONSENT_TEXT_VERSION, ConsentRecord, Template

SIZE = 32
FPS = 32.0
WINDOW_FRAMES = 64


@dataclass(frozen=True, slots=True)
class DriverSpace:
    """Drivers as directions; windows of one driver scatter around theirs."""

    spec: EngineSpec
    scatter: float

    def driver(self, seed: int) -> NDArray[np.float32]:
        return unit(np.random.default_rng(seed).standard_normal(SIZE))

    def windows(self, driver: NDArray[np.float32], count: int, seed: int = 0) -> NDArray[np.float32]:
        noise = np.random.default_rng([seed, 99]).standard_normal((count, SIZE)) / np.sqrt(SIZE)
        return np.stack([unit(row) for row in driver + self.scatter * noise])

    def template(self, driver: NDArray[np.float32], name: str = "alice", engine: str | None = None) -> Template:
        engine = self.spec.model_sha256 if engine is None else engine
        return Template(name, self.windows(driver, 9, 7), engine, datetime(2026, 11, 1, tzinfo=UTC), consent())


def unit(vector: NDArray[np.floating]) -> NDArray[np.float32]:
    row: NDArray[np.float32] = (vector / np.linalg.norm(vector)).astype(np.float32)
    return row


def consent() -> ConsentRecord:
    return ConsentRecord(CONSENT_TEXT_VERSION, CONSENT_STATEMENT, "Alice", datetime(2026, 11, 1, tzinfo=UTC))


def driver_space() -> DriverSpace:
    cohort = np.stack([unit(np.random.default_rng(1000 + seed).standard_normal(SIZE)) for seed in range(100)])
    spec = EngineSpec(
        name="made-up",
        version="1",
        window_frames=WINDOW_FRAMES,
        temporal_margin=4,
        embedding_size=SIZE,
        fps_min=12.0,
        fps_max=34.0,
        pixel_mean=0.5,
        pixel_std=0.25,
        model_sha256="a" * 64,
        calibration=Calibration(slope=2.0, offset=-6.5, cohort=cohort),
    )
    return DriverSpace(spec, scatter=0.7)
