"""Hair in six styles, behind the head and over it, with strands and a band of shine."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from training.drivers.landmarks import PART
from training.drivers.seeds import stream
from training.puppets.canvas import Canvas, Field
from training.puppets.looks import Look

_STRANDS_STREAM = 22
_FALLS_TO = {"long": 2.1, "bob": 1.15}


def paint_back_hair(canvas: Canvas, look: Look) -> None:
    """What hangs or stands behind the head; call before the head is painted."""
    half = float(look.landmarks[PART["oval"]][:, 0].max())
    if look.style in _FALLS_TO:
        low = _FALLS_TO[look.style]
        outline = np.array(
            [
                (0, -1.05),
                (half * 0.8, -0.95),
                (half + 0.22, -0.4),
                (half + 0.26, 0.4),
                (half + 0.22, low),
                (half - 0.3, low + 0.06),
            ]
        )
        both = np.concatenate([outline, (outline * np.array([-1.0, 1.0]))[::-1]])
        canvas.paint(canvas.shape(both, 0.012), 0.72 * _strands(canvas, look, across=True))
    elif look.style == "bun":
        knot = canvas.shape(_circle(0.1 * look.hair_side, -1.12, 0.33, 0.27), 0.01)
        canvas.paint(knot, _strands(canvas, look, across=True))


def paint_hair(canvas: Canvas, look: Look) -> None:
    """The cap of hair over forehead and temples; call after the face."""
    mask = _cap(canvas, look)
    canvas.shade(
        canvas.blurred(np.roll(mask, round(0.03 * canvas.view.unit_px), axis=0), 0.045) * (1 - mask), (0.7, 0.68, 0.74)
    )
    hair = _strands(canvas, look, across=look.style != "curly")
    shine = np.exp(-(((canvas.y + 0.78 - 0.1 * canvas.x**2 - 0.06 * look.light_from * canvas.x) / 0.13) ** 2))
    hair = hair * (1 + 0.55 * shine[..., None] * (1 + 0.5 * look.light_from * np.clip(canvas.x, -1, 1)[..., None]))
    canvas.paint(mask, hair.astype(np.float32))


def _cap(canvas: Canvas, look: Look) -> Field:
    """Mask of the hair over the head: an outer outline less the face under the hair line."""
    oval = look.landmarks[PART["oval"]]
    half = float(oval[:, 0].max())
    brow = float(look.landmarks[PART["brow_right"]][:, 1].mean())
    line = brow - look.fringe
    volume = {"short": 0.07, "side": 0.12, "bob": 0.15, "long": 0.14, "bun": 0.05, "curly": 0.26}[look.style]
    top = -0.86 - volume
    sides = {"short": 0.05, "side": 0.08, "bob": 1.0, "long": 1.3, "bun": -0.02, "curly": 0.3}[look.style]
    out = half + (0.05 if look.style in ("short", "side", "bun") else 0.16)
    outer = np.array(
        [(0.14, top - 0.05), (half * 0.55, top - 0.01), (half - 0.02, top + 0.22), (out + 0.02, -0.25), (out, sides)]
    )
    left = outer * np.array([-1.0, 1.0])
    temple = half * (0.9 if sides < 0.5 else 0.84)
    inner_right = np.array([(temple + 0.06, sides - 0.02), (temple, -0.2), (temple - 0.13, line + 0.06)])
    inner = np.concatenate([inner_right, _front(look, line, temple), (inner_right * np.array([-1.0, 1.0]))[::-1]])
    mask = canvas.shape(np.concatenate([outer, inner, left[::-1]]), 0.007, rounds=2)
    return _curled(canvas, look, mask) if look.style == "curly" else mask


def _front(look: Look, line: float, temple: float) -> NDArray[np.float64]:
    """The hair line over the forehead from the image's right to its left, (n, 2)."""
    x = np.linspace(0.72, -0.72, 7) * temple
    sweep = x / temple * look.hair_side
    if look.style == "side":
        y = line - 0.02 + 0.14 * np.clip(-sweep, 0, 1) - 0.1 * np.exp(-(((sweep - 0.45) / 0.18) ** 2))
    elif look.style in ("bob", "long"):
        y = line - 0.26 * np.exp(-(((sweep - 0.2) / 0.3) ** 2)) + 0.16 * np.abs(sweep)
    else:
        y = line - 0.1 + 0.2 * (x / temple) ** 2 + 0.03 * sweep
    return np.stack([x, y], axis=1)


def _curled(canvas: Canvas, look: Look, mask: Field) -> Field:
    """Break the outline up into curls."""
    rng = stream(_STRANDS_STREAM, look.seed, 1)
    edge = np.argwhere((mask > 0.4) & (mask < 0.6))
    picks = edge[rng.integers(len(edge), size=90)] if len(edge) else edge
    curls = (mask * 255).astype(np.uint8)
    for row, column in picks:
        radius = int(rng.uniform(0.03, 0.075) * canvas.view.unit_px)
        if canvas.y[row, column] < -0.3 or abs(canvas.x[row, column]) > 0.75:
            cv2.circle(curls, (int(column), int(row)), radius, 255, -1, cv2.LINE_AA)
    return canvas.blurred(np.asarray(curls / 255, np.float32), 0.006)


def _strands(canvas: Canvas, look: Look, across: bool) -> Field:
    """Hair colour (H, W, 3) with strands that run down from the crown, or curls."""
    rng = stream(_STRANDS_STREAM, look.seed, 2)
    noise = rng.standard_normal(canvas.x.shape).astype(np.float32)
    unit = canvas.view.unit_px
    fine = cv2.GaussianBlur(noise, (0, 0), 0.012 * unit) * 0.012 * unit
    coarse = cv2.GaussianBlur(noise, (0, 0), 0.05 * unit) * 0.05 * unit
    if across:
        turn = np.arctan2(canvas.x - 0.25 * look.hair_side, -(canvas.y + 0.2) + 1.6)
        waves = rng.uniform(0, 2 * np.pi, 3)
        lines = np.sin(turn * 55 + waves[0] + 2 * coarse) + np.sin(turn * 131 + waves[1] + 3 * coarse) * 0.8
        texture = 0.085 * lines + 0.06 * np.sin(turn * 21 + waves[2])
    else:
        texture = 0.9 * fine + 0.6 * coarse
    side = 1 + 0.16 * look.light_from * np.clip(canvas.x, -1, 1)
    depth = 0.92 - 0.12 * np.clip(canvas.y, 0, 1.5)
    value = np.clip(side * depth * (1 + texture), 0.3, 1.8)
    return np.asarray(np.array(look.hair) * value[..., None] + 0.015, np.float32)


def _circle(x: float, y: float, width: float, height: float) -> NDArray[np.float64]:
    turn = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    return np.stack([x + width * np.cos(turn), y + height * np.sin(turn)], axis=1)
