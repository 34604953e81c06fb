"""Who is shown, by seed: bones, hair, skin, light and room. Equal seeds are equal people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.drivers.seeds import stream
from training.generators.face_mesh.head import HairStyle

MESH_STREAM = 29
_BONES = 0.8
"""Deviation of the identity weights: at 1 some faces are caricatures."""


@dataclass(frozen=True, slots=True)
class Look:
    """One person's looks; luma of surfaces is albedo, 0-1.

    bones: identity weights (I,). light: unit vector (3,) towards the light. ambient, gloss: shares of its strength.
    """

    seed: int
    bones: NDArray[np.float64]
    style: HairStyle
    skin: float
    hair: float
    lips: float
    brows: float
    brow_width: float
    beard: float
    iris: float
    cloth: float
    light: NDArray[np.float64]
    ambient: float
    gloss: float


def draw_look(seed: int, identities: int) -> Look:
    """The looks of a seed on a model with this many identity modes."""
    rng = stream(MESH_STREAM, seed)
    azimuth, height = rng.uniform(-0.9, 0.9), rng.uniform(0.15, 0.8)
    light = np.array([np.sin(azimuth) * np.cos(height), -np.sin(height), np.cos(azimuth) * np.cos(height)])
    skin = float(rng.uniform(0.3, 0.85))
    lower = float(rng.choice([rng.uniform(-0.35, -0.05), rng.uniform(0.6, 1.5)]))
    return Look(
        seed=seed,
        bones=np.clip(rng.normal(0, _BONES, identities), -2, 2),
        style=HairStyle(lower, float(rng.uniform(0.03, 0.15)), float(rng.uniform(-0.64, -0.5))),
        skin=skin,
        hair=float(rng.choice([rng.uniform(0.04, 0.16), rng.uniform(0.2, 0.7)], p=[0.65, 0.35])),
        lips=float(rng.uniform(0.55, 0.85)),
        brows=float(rng.uniform(0.3, 0.9)),
        brow_width=float(rng.uniform(0.022, 0.04)),
        beard=float(rng.choice([0.0, rng.uniform(0.1, 0.8)], p=[0.65, 0.35])),
        iris=float(rng.uniform(0.08, 0.4)),
        cloth=float(rng.uniform(0.05, 0.9)),
        light=light,
        ambient=float(rng.uniform(0.25, 0.5)),
        gloss=float(rng.uniform(0.03, 0.16)),
    )
