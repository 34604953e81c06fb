"""Changes to a window that leave the person who they are: all of them our own choice.

Windows are drawn at any place of a recording, so a shift in time needs no code here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.expression_dynamics.recordings import Floats


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far windows are changed.

    tempo, gain: deviation of the logarithm of how fast a window plays, and of how far all of it, and each channel by
    itself, moves. noise: deviation of white noise, as a share of each channel's own. dropped: chance that a channel is
    flat."""

    tempo: float = 0.0
    gain: float = 0.0
    noise: float = 0.0
    dropped: float = 0.0

    def rows(self, frames: int) -> int:
        """Rows to draw for a window of `frames`, so that the fastest tempo still has enough."""
        return frames if self.tempo == 0 else int(np.ceil(frames * np.exp(2 * self.tempo))) + 1

    def apply(self, drawn: Floats, frames: int, random: np.random.Generator) -> Floats:
        """Windows (n, frames, C) of rows (n, rows(frames), C)."""
        count, _, channels = drawn.shape
        values = drawn if self.tempo == 0 else _played(drawn, frames, self._tempi(count, random))
        if self.noise or self.gain or self.dropped:
            middle = values.mean(axis=1, keepdims=True)
            moving = values - middle
            gain = self.gain * (random.standard_normal((count, 1, 1)) + random.standard_normal((count, 1, channels)))
            noise = self.noise * moving.std(axis=1, keepdims=True) * random.standard_normal(values.shape)
            kept = random.random((count, 1, channels)) >= self.dropped
            values = middle + (moving * np.exp(gain) + noise) * kept
        return values.astype(np.float32)

    def _tempi(self, count: int, random: np.random.Generator) -> NDArray[np.float64]:
        return np.exp(self.tempo * np.clip(random.standard_normal(count), -2, 2))


def _played(drawn: Floats, frames: int, tempi: NDArray[np.float64]) -> Floats:
    """The first `frames` rows at tempi (n,) of drawn (n, m, C), straight between neighbours."""
    at = np.minimum(np.arange(frames) * tempi[:, None], drawn.shape[1] - 1)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, drawn.shape[1] - 1)
    part = (at - low)[..., None].astype(np.float32)
    before = np.take_along_axis(drawn, low[..., None], axis=1)
    after = np.take_along_axis(drawn, high[..., None], axis=1)
    played: Floats = before + part * (after - before)
    return played
