"""Witnesses to test the guard with: how much each channel moves, as a formula, and people who move some of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engines.errors import BackendFailedError
from engines.protocol import Calibration
from engines.witnesses.explanation import ExplainedToken, Explanation
from engines.witnesses.fusion_table import FusedSet, FusionTable
from engines.witnesses.protocol import CHANNELS, WitnessSpec
from guard.verify.witnesses import LoadedWitness

RATE_HZ, FRAMES = 8.0, 16


@dataclass(frozen=True, slots=True)
class MadeSample:
    """What a tracker would give."""

    seconds: float
    blendshapes: NDArray[np.float32]
    signals: NDArray[np.float32]
    found: bool = True


class SpreadWitness:
    """Embeds a window as the root of each channel's mean deviation within it, L2-normalised."""

    def __init__(self, name: str, reads: Literal["signals", "blendshapes"], sha256: str = "c" * 64) -> None:
        size = CHANNELS[reads]
        cohort = np.random.default_rng(5).gamma(0.5, 1.0, (40, size))
        cohort = np.sqrt(cohort / cohort.sum(axis=1, keepdims=True)).astype(np.float32)
        self.spec = WitnessSpec(name, "1", reads, RATE_HZ, FRAMES, size, sha256, Calibration(1.0, -2.0, cohort))
        self.broken = False
        self.embedded = 0

    def embed(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.broken:
            raise BackendFailedError(f"{self.spec.name}: broken for a test")
        self.embedded += len(windows)
        spread = np.abs(windows - windows.mean(axis=1, keepdims=True)).mean(axis=1) + 1e-4
        rows: NDArray[np.float32] = np.sqrt(spread / spread.sum(axis=1, keepdims=True)).astype(np.float32)
        return rows


def explanation() -> Explanation:
    """Words for every movement of the blendshapes."""
    tokens = [ExplainedToken(token=k, words=f"movement {k}", picture=f"pictures/{k}.png", limits="") for k in range(52)]
    return Explanation({entry.token: entry for entry in tokens})


def made_panel_witnesses() -> tuple[SpreadWitness, SpreadWitness, list[LoadedWitness]]:
    """One that reads signals and one that reads blendshapes and explains itself."""
    dynamics, codes = SpreadWitness("expression_dynamics", "signals"), SpreadWitness("facial_codes", "blendshapes")
    return dynamics, codes, [LoadedWitness(dynamics), LoadedWitness(codes, explanation())]


def made_table(models: dict[str, str], *sets: FusedSet) -> FusionTable:
    """Weights as if they had been fitted, on trials of 5 s that are worth two windows; an LLR is held within 6 nats."""
    return FusionTable(
        format=1, seconds=5.0, engine_windows=2.0, limit=6.0, models=models, training_data="drawn", sets=sets
    )


class Mover:
    """Somebody who moves their own channels more than others."""

    def __init__(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        self._blend = random.gamma(0.5, 1.0, 52) / 20
        self._signal = random.gamma(0.5, 1.0, 17) / 20
        self._phase = random.uniform(0, 6, (2, 52))

    def at(self, seconds: float, *, found: bool = True) -> MadeSample:
        """What is seen of them at a moment."""
        rate = 2.0 + self._phase[1]
        swing = np.sin(rate * seconds + self._phase[0])
        blend = np.clip(0.5 + self._blend * swing, 0, 1).astype(np.float32)
        return MadeSample(seconds, blend, (self._signal * swing[:17]).astype(np.float32), found)
