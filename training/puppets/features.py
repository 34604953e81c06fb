"""Eyes, brows, nose and lips, painted at their landmarks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.drivers.landmarks import PART
from training.puppets.canvas import Canvas, Field
from training.puppets.looks import Look

_IRIS_RADIUS = 0.062


def paint_features(canvas: Canvas, look: Look) -> None:
    """Eyes, brows, nose and lips over skin that is already there."""
    mouth = float(look.landmarks[PART["mouth_corners"]][:, 1].mean())
    for side, x in (("right", -0.37), ("left", 0.37)):
        _eye(canvas.part(x, 0.0, 0.4, 0.4), look, side)
        _brow(canvas.part(x, -0.25, 0.4, 0.25), look, side)
    _nose(canvas.part(0.0, 0.42, 0.5, 0.4), look)
    _lips(canvas.part(0.0, mouth, 0.6, 0.45), look)


def _eye_lines(look: Look, side: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Upper and lower lid from the outer to the inner corner, (7, 2) each."""
    corners = look.landmarks[PART[f"corners_{side}"]]
    upper = np.concatenate([corners[:1], look.landmarks[PART[f"upper_lid_{side}"]], corners[1:]])
    lower = np.concatenate([corners[:1], look.landmarks[PART[f"lower_lid_{side}"]], corners[1:]])
    return upper, lower


def _eye(canvas: Canvas, look: Look, side: str) -> None:
    upper, lower = _eye_lines(look, side)
    centre = look.landmarks[PART[f"iris_{side}"]][0]
    opening = canvas.shape(np.concatenate([upper, lower[-2:0:-1]]), 0.004, rounds=1)
    canvas.shade(canvas.blurred(opening, 0.06), (0.86, 0.84, 0.9))
    ball = canvas.spot(centre[0], centre[1], 0.17, 0.13)
    white = (np.array([0.86, 0.88, 0.9], np.float32) * (0.72 + 0.3 * ball[..., None])).astype(np.float32)
    canvas.paint(opening, white)
    _iris(canvas, look, centre, opening)
    lid_shadow = canvas.stroke(upper + np.array([0, 0.012]), 0.035, 0.014)
    canvas.shade(opening * np.clip(lid_shadow * 1.4, 0, 1), (0.5, 0.5, 0.55))
    canvas.shade(canvas.stroke(lower[1:], 0.012, 0.006), (0.72, 0.7, 0.8))
    canvas.paint(0.92 * canvas.stroke(upper[:-1] - np.array([0, 0.004]), 0.022, 0.004), (0.06, 0.07, 0.1))
    crease = upper[:-1] * np.array([1.0, 1.25]) - np.array([0, 0.045])
    canvas.shade(0.75 * canvas.stroke(crease, 0.012, 0.009), (0.6, 0.58, 0.68))
    inner = look.landmarks[PART[f"corners_{side}"]][1]
    canvas.paint(0.5 * opening * canvas.spot(inner[0], inner[1], 0.025, 0.025), (0.5, 0.5, 0.8))


def _iris(canvas: Canvas, look: Look, centre: NDArray[np.float64], opening: Field) -> None:
    distance = np.hypot(canvas.x - centre[0], canvas.y - centre[1]) / _IRIS_RADIUS
    edge = 0.06
    iris = np.clip((1 - distance) / edge, 0, 1).astype(np.float32)
    rays = 1 + 0.1 * np.sin(17 * np.arctan2(canvas.y - centre[1], canvas.x - centre[0]))
    ring = (
        (1.15 - 0.6 * np.clip((distance - 0.55) / 0.45, 0, 1) ** 2)
        * rays
        * (1 + 0.35 * (canvas.y - centre[1]) / _IRIS_RADIUS)
    )
    canvas.paint(opening * iris, (np.array(look.iris, np.float32) * ring[..., None]).astype(np.float32))
    pupil = np.clip((0.42 - distance) / edge, 0, 1).astype(np.float32)
    canvas.paint(opening * pupil, (0.03, 0.03, 0.04))
    glint = 0.9 * canvas.spot(centre[0] + 0.022 * np.sign(look.light_from), centre[1] - 0.024, 0.014, 0.014)
    canvas.paint(opening * np.clip(glint * 1.3, 0, 1), (1.0, 1.0, 1.0))


def _brow(canvas: Canvas, look: Look, side: str) -> None:
    line = look.landmarks[PART[f"brow_{side}"]]
    thickness = np.array([0.012, 0.03, 0.036, 0.04, 0.034]) * look.brow_weight
    along = np.stack([np.zeros(5), thickness], axis=1)
    outline = np.concatenate([line - 0.5 * along, (line + 0.7 * along)[::-1]])
    mask = canvas.shape(outline, 0.008, rounds=3)
    hairs = 0.88 + 0.12 * np.sin((canvas.x * (1 if side == "left" else -1) * 0.8 + canvas.y) * 190)
    colour = np.array(look.hair, np.float32) * 0.75 + np.array(look.skin, np.float32) * 0.08
    canvas.paint((0.9 * mask * hairs).astype(np.float32), (float(colour[0]), float(colour[1]), float(colour[2])))


def _nose(canvas: Canvas, look: Look) -> None:
    nostrils = look.landmarks[PART["nostrils"]]
    base = look.landmarks[PART["nose"]][4]
    for wing, inner in ((nostrils[0], nostrils[1]), (nostrils[3], nostrils[2])):
        canvas.shade(0.85 * canvas.spot(inner[0] * 0.62, inner[1] + 0.005, 0.045, 0.022), (0.32, 0.28, 0.38))
        side = np.sign(wing[0])
        curve = np.array(
            [(wing[0] - side * 0.01, wing[1] - 0.07), (wing[0] + side * 0.005, wing[1]), (inner[0], inner[1] + 0.02)]
        )
        canvas.shade(0.6 * canvas.stroke(curve, 0.016, 0.014), (0.62, 0.58, 0.68))
    canvas.shade(0.4 * canvas.spot(base[0], base[1] + 0.02, 0.14, 0.035), (0.6, 0.58, 0.66))
    tip = look.landmarks[PART["nose"]][3]
    canvas.glow(canvas.spot(tip[0] + 0.025 * np.sign(look.light_from), tip[1] - 0.02, 0.035, 0.04), 0.09)


def _lips(canvas: Canvas, look: Look) -> None:
    shape = look.landmarks
    corners = shape[PART["mouth_corners"]]
    line = np.concatenate([corners[:2], shape[PART["upper_lip_inner"]], corners[2:]])
    low = np.concatenate([corners[:2], shape[PART["lower_lip_inner"]], corners[2:]])
    seam = (line + low) / 2
    top = np.concatenate([corners[:1], shape[PART["upper_lip_outer"]], corners[3:], seam[-2:0:-1]])
    bottom = np.concatenate([corners[:1], shape[PART["lower_lip_outer"]], corners[3:], seam[-2:0:-1]])
    colour = np.array(look.lips, np.float32)
    upper, lower = canvas.shape(top, 0.01, rounds=3), canvas.shape(bottom, 0.012, rounds=3)
    canvas.paint(0.85 * upper, _colour(colour * 0.82))
    canvas.paint(0.8 * lower, _colour(colour * 1.0))
    middle = shape[PART["lower_lip_outer"]][2]
    canvas.glow(lower * canvas.spot(0.05 * look.light_from, middle[1] - 0.085, 0.1, 0.028), 0.1)
    canvas.shade(0.45 * canvas.spot(0, middle[1] + 0.035, 0.15, 0.03), (0.66, 0.62, 0.7))
    canvas.shade(0.9 * canvas.stroke(seam[1:-1], 0.014, 0.006), (0.3, 0.26, 0.34))
    for corner in (corners[0], corners[3]):
        canvas.shade(0.55 * canvas.spot(corner[0], corner[1] + 0.005, 0.03, 0.025), (0.55, 0.5, 0.58))


def _colour(values: NDArray[np.float32]) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])
