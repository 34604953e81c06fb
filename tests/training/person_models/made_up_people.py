"""People made of gratings: everyone has a pattern of the own, which moves a little from frame to frame."""

from __future__ import annotations

import numpy as np

from training.person_models.faces import Recording
from training.person_models.network import PersonModelConfig

TINY = PersonModelConfig(width=0.04, residual_blocks=1)


def recording(person: int, frames: int = 60, session: str = "day", key: str = "") -> Recording:
    """uint8 (frames, 64, 64): stripes whose pace is the person's, moved by a slow wave."""
    moved = 3 * np.sin(np.arange(frames) / 5 + person)[:, None, None]
    x, y = np.meshgrid(np.arange(64), np.arange(64))
    waves = np.sin((x + moved) * (0.2 + 0.1 * person)) + np.cos(y * (0.3 + 0.05 * person))
    return Recording((128 + 50 * waves).clip(0, 255).astype(np.uint8), session, key)
