"""What makes one puppet look unlike another: bones, skin, hair, clothes and light, drawn once by seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.drivers.face_basis import generic_face
from training.drivers.landmarks import PART
from training.drivers.seeds import stream

Colour = tuple[float, float, float]
"""Blue, green, red, 0-1."""

_LOOKS_STREAM = 21

_SKINS: tuple[Colour, ...] = (
    (0.70, 0.80, 0.96), (0.62, 0.74, 0.93), (0.56, 0.69, 0.90), (0.47, 0.62, 0.84),
    (0.38, 0.52, 0.75), (0.31, 0.44, 0.66), (0.24, 0.35, 0.54), (0.19, 0.28, 0.44),
)  # fmt: skip
_HAIRS: tuple[Colour, ...] = (
    (0.07, 0.08, 0.10), (0.10, 0.13, 0.19), (0.13, 0.20, 0.31), (0.16, 0.28, 0.45),
    (0.30, 0.50, 0.70), (0.14, 0.27, 0.56), (0.52, 0.54, 0.56), (0.08, 0.10, 0.16),
)  # fmt: skip
_IRISES: tuple[Colour, ...] = (
    (0.12, 0.22, 0.36), (0.16, 0.30, 0.46), (0.50, 0.42, 0.30),
    (0.28, 0.40, 0.32), (0.10, 0.16, 0.26), (0.55, 0.50, 0.44),
)  # fmt: skip
_CLOTHES: tuple[Colour, ...] = (
    (0.38, 0.27, 0.18), (0.24, 0.24, 0.26), (0.62, 0.60, 0.58), (0.30, 0.36, 0.22),
    (0.22, 0.22, 0.50), (0.50, 0.42, 0.24), (0.36, 0.30, 0.40), (0.78, 0.78, 0.76),
)  # fmt: skip
_WALLS: tuple[Colour, ...] = (
    (0.80, 0.82, 0.82), (0.62, 0.60, 0.54), (0.66, 0.72, 0.78),
    (0.52, 0.58, 0.50), (0.70, 0.62, 0.58), (0.45, 0.43, 0.44),
)  # fmt: skip

HAIR_STYLES = ("short", "side", "bob", "long", "bun", "curly")


@dataclass(frozen=True, slots=True)
class Look:
    """One puppet's appearance. `landmarks`: float64 (95, 2), face units."""

    seed: int
    landmarks: NDArray[np.float64]
    skin: Colour
    hair: Colour
    iris: Colour
    clothes: Colour
    wall: Colour
    lips: Colour
    style: str
    hair_side: float
    """Side of the parting, -1 or 1."""
    fringe: float
    """Height of the hair line above the brows, face units."""
    brow_weight: float
    nose_relief: float
    light_from: float
    """Horizontal direction of the main light, -1 (image left) to 1."""
    stubble: float
    blush: float


def draw_look(seed: int) -> Look:
    """The look of a seed, the same every time."""
    rng = stream(_LOOKS_STREAM, seed)
    tone = int(rng.integers(len(_SKINS)))
    skin = _mixed(_SKINS[tone], _SKINS[min(tone + 1, len(_SKINS) - 1)], float(rng.random()))
    darkest_hair = (0, 1, 7)
    hair = _HAIRS[int(rng.choice(darkest_hair)) if tone >= 4 else int(rng.integers(len(_HAIRS)))]
    iris = _IRISES[int(rng.choice((0, 1, 4))) if tone >= 4 else int(rng.integers(len(_IRISES)))]
    style = str(rng.choice(HAIR_STYLES, p=(0.24, 0.2, 0.18, 0.16, 0.1, 0.12)))
    light = float(rng.uniform(0.35, 0.8)) * (1 if rng.random() < 0.5 else -1)
    rosy = float(rng.uniform(0.25, 0.6))
    return Look(
        seed=seed,
        landmarks=_bones(rng),
        skin=skin,
        hair=hair,
        iris=iris,
        clothes=_CLOTHES[int(rng.integers(len(_CLOTHES)))],
        wall=_WALLS[int(rng.integers(len(_WALLS)))],
        lips=_mixed((skin[0] * 0.72, skin[1] * 0.66, skin[2] * 0.9), (0.38, 0.34, 0.72), rosy * 0.6),
        style=style,
        hair_side=1.0 if rng.random() < 0.5 else -1.0,
        fringe=float(rng.uniform(0.2, 0.34)),
        brow_weight=float(rng.uniform(0.7, 1.35)),
        nose_relief=float(rng.uniform(0.8, 1.25)),
        light_from=light,
        stubble=float(rng.uniform(0.2, 0.7)) if style in ("short", "side") and rng.random() < 0.4 else 0.0,
        blush=float(rng.uniform(0.03, 0.1)),
    )


def _mixed(one: Colour, other: Colour, share: float) -> Colour:
    return tuple(a + (b - a) * share for a, b in zip(one, other, strict=True))  # type: ignore[return-value]


def _bones(rng: np.random.Generator) -> NDArray[np.float64]:
    """The generic face with this person's proportions."""
    face = generic_face().copy()
    tall, jaw, wide = rng.normal(1, 0.035), rng.normal(1, 0.05), rng.normal(1, 0.035)
    below = face[:, 1] > 0.2
    face[below, 1] = 0.2 + (face[below, 1] - 0.2) * tall
    oval = face[PART["oval"]]
    oval[:, 0] *= wide * (1 + (jaw - 1) * np.clip((oval[:, 1] - 0.3) / 0.7, 0, 1))
    face[PART["oval"]] = oval
    _eyes(face, rng)
    nose_wide, nose_long = rng.normal(1, 0.09), rng.normal(0, 0.02)
    for name in ("nose", "nostrils"):
        face[PART[name], 0] *= nose_wide
        face[PART[name], 1] += nose_long * np.clip(face[PART[name], 1] / 0.5, 0, 1)
    mouth_wide, mouth_low, full = rng.normal(1, 0.07), rng.normal(0.0, 0.02), rng.normal(1, 0.14)
    for name in ("mouth_corners", "upper_lip_outer", "upper_lip_inner", "lower_lip_inner", "lower_lip_outer"):
        face[PART[name], 0] *= mouth_wide
        face[PART[name], 1] += mouth_low
    line = face[PART["mouth_corners"], 1].mean()
    for name in ("upper_lip_outer", "lower_lip_outer"):
        face[PART[name], 1] = line + (face[PART[name], 1] - line) * full
    for name in ("mouth_corners", "upper_lip_outer", "upper_lip_inner", "lower_lip_inner", "lower_lip_outer"):
        lip = face[PART[name]]
        lip[:, 1] -= 0.55 * lip[:, 0] ** 2  # corners up: a friendly face at rest
        face[PART[name]] = lip
    bow = np.array([0.0, -0.012, 0.012, -0.012, 0.0])
    face[PART["upper_lip_outer"], 1] += bow * full
    return face


def _eyes(face: NDArray[np.float64], rng: np.random.Generator) -> None:
    opening, slant, brow, arch = rng.uniform(1.1, 1.5), rng.normal(0, 0.02), rng.normal(0, 0.02), rng.normal(1, 0.25)
    for side in ("right", "left"):
        for lid in ("upper", "lower"):
            face[PART[f"{lid}_lid_{side}"], 1] *= opening
        inner = face[PART[f"corners_{side}"]]
        inner[1, 1] += slant
        face[PART[f"corners_{side}"]] = inner
        points = face[PART[f"brow_{side}"]]
        points[:, 1] = (points[:, 1] + 0.26) * arch - 0.26 + brow
        face[PART[f"brow_{side}"]] = points
