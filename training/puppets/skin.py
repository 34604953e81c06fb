"""Skin: a relief of the head, lit from one side, under the skin's own colours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.drivers.landmarks import PART
from training.puppets.canvas import Canvas, Field, mirrored
from training.puppets.looks import Look


def _relief(canvas: Canvas, look: Look) -> Field:
    """Height of the face towards the viewer (H, W), face units."""
    shape = look.landmarks
    oval = shape[PART["oval"]]
    half, chin, top = float(oval[:, 0].max()), float(oval[:, 1].max()), float(oval[:, 1].min())
    centre = (chin + top) / 2
    round_head = 1.3 - (canvas.x / half) ** 2 * 0.95 - ((canvas.y - centre) / (chin - centre)) ** 2 * 0.55
    height = 0.75 * np.sqrt(np.maximum(round_head, 0.05))
    tip_y, wing = float(shape[PART["nose"]][3, 1]), abs(float(shape[PART["nostrils"]][0, 0]))
    rise = np.clip((canvas.y + 0.2) / (tip_y + 0.2), 0, 1)
    ramp = rise**2 * (2 - rise) * np.clip((tip_y + 0.12 - canvas.y) / 0.1, 0, 1)
    nose = 0.13 * np.exp(-((canvas.x / (0.55 * wing)) ** 2)) * ramp + 0.11 * canvas.spot(0, tip_y, 0.62 * wing, 0.1)
    height += look.nose_relief * nose
    for sign in (-1, 1):
        height += 0.055 * look.nose_relief * canvas.spot(sign * 0.72 * wing, tip_y + 0.06, 0.36 * wing, 0.07)
        height -= 0.085 * canvas.spot(sign * 0.35, -0.01, 0.2, 0.12)
        height += 0.05 * canvas.spot(sign * 0.33, -0.24, 0.24, 0.08)
        height += 0.07 * canvas.spot(sign * 0.5, 0.36, 0.2, 0.17)
    mouth = float(shape[PART["mouth_corners"]][:, 1].mean())
    height += 0.06 * canvas.spot(0, mouth, 0.32, 0.2)
    height -= 0.03 * canvas.spot(0, mouth + 0.23, 0.17, 0.05)
    height += 0.06 * canvas.spot(0, chin - 0.14, 0.2, 0.13)
    return height.astype(np.float32)


def light(canvas: Canvas, look: Look, height: Field) -> tuple[Field, Field]:
    """Diffuse and glossy light (H, W) on a relief: wrapped Lambert, and Blinn's highlight."""
    slope_y, slope_x = np.gradient(height, 1 / canvas.view.unit_px)
    length = np.sqrt(slope_x**2 + slope_y**2 + 1)
    source = np.array([look.light_from, -0.5, 0.85])
    source /= np.linalg.norm(source)
    facing = (-slope_x * source[0] - slope_y * source[1] + source[2]) / length
    halfway = source + np.array([0, 0, 1])
    halfway /= np.linalg.norm(halfway)
    gloss = np.maximum((-slope_x * halfway[0] - slope_y * halfway[1] + halfway[2]) / length, 0) ** 26
    return np.clip((facing + 0.4) / 1.4, 0, 1).astype(np.float32), gloss.astype(np.float32)


def lit_skin(canvas: Canvas, look: Look) -> Field:
    """The face's skin as a picture (H, W, 3), without features, reaching beyond the face."""
    diffuse, gloss = light(canvas, look, _relief(canvas, look))
    skin = np.array(look.skin, np.float32) * np.ones((*canvas.x.shape, 3), np.float32)
    blush = sum((canvas.spot(sign * 0.5, 0.42, 0.2, 0.16) for sign in (-1, 1)), canvas.spot(0, 0.42, 0.13, 0.1))
    skin *= 1 + (look.blush * blush)[..., None] * np.array([-0.9, -0.75, 0.25], np.float32)
    if look.stubble:
        beard = np.clip((canvas.y - 0.62) / 0.25, 0, 1) * (1 - canvas.spot(0, 0.8, 0.2, 0.07))
        skin *= 1 - (0.22 * look.stubble * beard)[..., None] * np.array([0.6, 0.9, 1.0], np.float32)
    # shadows of skin turn red rather than gray: light travels through it
    shadow = (1 - diffuse)[..., None] * np.array([1.05, 0.95, 0.72], np.float32)
    return np.asarray(skin * (1.1 - 0.95 * shadow) + 0.10 * gloss[..., None], np.float32)


def paint_head(canvas: Canvas, look: Look) -> Field:
    """Neck, ears and the face without its features; returns the face's mask (H, W)."""
    shape = look.landmarks
    oval = shape[PART["oval"]]
    half, chin = float(oval[:, 0].max()), float(oval[:, 1].max())
    skin = lit_skin(canvas, look)
    neck = np.array(
        [(-0.44, 0.8), (-0.43, chin + 0.12), (-0.6, chin + 0.65), (0.6, chin + 0.65), (0.43, chin + 0.12), (0.44, 0.8)]
    )
    canvas.paint(canvas.shape(neck, 0.01), np.array(look.skin, np.float32) * np.array([0.72, 0.76, 0.84], np.float32))
    canvas.shade(
        canvas.shape(neck, 0.01) * canvas.spot(-0.15 * look.light_from, chin + 0.02, 0.6, 0.24), (0.62, 0.62, 0.68)
    )
    _ears(canvas, look, half)
    face = canvas.shape(_face_outline(oval), 0.008, rounds=4)
    canvas.paint(face, skin)
    return face


def _face_outline(oval: NDArray[np.float64]) -> NDArray[np.float64]:
    """The oval, widened to make up for what corner cutting takes, with a higher forehead under the hair."""
    outline = oval * np.array([1.03, 1.0])
    high = np.clip((0.1 - outline[:, 1]) / 0.7, 0, 1)
    outline[:, 1] -= 0.22 * high
    outline[:, 1] += 0.02 * np.clip((outline[:, 1] - 0.8) / 0.5, 0, 1)
    return np.asarray(outline)


def _ears(canvas: Canvas, look: Look, half: float) -> None:
    ear = np.array(
        [
            (half - 0.04, -0.06),
            (half + 0.08, -0.1),
            (half + 0.14, 0.02),
            (half + 0.1, 0.22),
            (half + 0.04, 0.38),
            (half - 0.06, 0.4),
        ]
    )
    for sign, outline in ((1.0, ear), (-1.0, mirrored(ear))):
        bright = 0.9 + 0.12 * sign * look.light_from
        mask = canvas.shape(outline, 0.006)
        canvas.paint(mask, np.array(look.skin, np.float32) * np.array([0.8, 0.82, 0.92], np.float32) * bright)
        canvas.shade(mask * canvas.spot(sign * (half + 0.05), 0.13, 0.05, 0.15), (0.72, 0.72, 0.8))
