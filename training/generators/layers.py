"""What a target is cut into before it can be moved: skin above and below the slits, and what lies behind them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from training.drivers.landmarks import PART, mouth_opening
from training.generators.geometry import smoothstep
from training.generators.targets import View

Image = NDArray[np.uint8]
Mask = NDArray[np.float32]

_EDGE = 0.022
"""Half width, in face units, of the soft edge of a lid or lip: about one pixel of a 128-pixel crop."""
_SIDE_BLEND = 0.16
_MIDDLE = 0.13
_OPEN_MOUTH = 0.045
_TEETH_LINES = 22.0
_TEETH, _DARK, _TONGUE = (205.0, 218.0, 226.0), (24.0, 22.0, 42.0), (68.0, 62.0, 124.0)
"""Colours behind the lips, BGR; a gray target takes their luma."""


@dataclass(frozen=True, slots=True)
class FaceLayers:
    """One target in the pixels of a view. Images uint8 (H, W) or (H, W, 3), masks float32 (H, W) in 0-1.

    upper and lower: which skin belongs to the upper and to the lower field; where both are 0 one looks into an eye or
    the mouth. inner: what is seen there. inner_place: where `inner` may be seen at all.
    """

    image: Image
    inner: Image
    upper: Mask
    lower: Mask
    inner_place: Mask


def _line(x: NDArray[np.floating], points: NDArray[np.floating]) -> NDArray[np.float64]:
    order = np.argsort(points[:, 0])
    return np.asarray(np.interp(x, points[order, 0], points[order, 1]))


def _outside(x: NDArray[np.floating], spans: list[tuple[float, float]]) -> NDArray[np.float64]:
    """Distance of x to the nearest of some intervals, 0 within them."""
    return np.asarray(np.min([np.maximum(np.maximum(low - x, x - high), 0) for low, high in spans], axis=0))


def _part(landmarks: NDArray[np.floating], *names: str) -> NDArray[np.floating]:
    return np.concatenate([landmarks[PART[name]] for name in names])


def _slit(
    grid: NDArray[np.float32],
    upper: NDArray[np.floating],
    lower: NDArray[np.floating],
    spans: list[tuple[float, float]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Masks of what is above the upper and below the lower edge; beside the slit they blend into each other."""
    x, y = grid[..., 0], grid[..., 1]
    width = _EDGE + np.minimum(_outside(x, spans) * 0.8, _SIDE_BLEND)
    return smoothstep((_line(x, upper) - y) / width), smoothstep((y - _line(x, lower)) / width)


def middle_blend(y: NDArray[np.floating]) -> NDArray[np.float64]:
    """0 in the part of the face that the eyes rule, 1 in the part that the mouth rules."""
    return smoothstep((y - 0.32) / _MIDDLE)


def skin_masks(landmarks: NDArray[np.floating], grid: NDArray[np.float32]) -> tuple[Mask, Mask]:
    """Upper and lower skin masks (H, W) of face-unit landmarks (95, 2) at face-unit points (H, W, 2)."""
    corners = _part(landmarks, "corners_right", "corners_left")
    eyes_upper = np.concatenate([corners, _part(landmarks, "upper_lid_right", "upper_lid_left")])
    eyes_lower = np.concatenate([corners, _part(landmarks, "lower_lid_right", "lower_lid_left")])
    eye_spans = [(corners[0, 0], corners[1, 0]), (corners[3, 0], corners[2, 0])]
    mouth = landmarks[PART["mouth_corners"]][1:3]
    lips_upper = np.concatenate([mouth, _part(landmarks, "upper_lip_inner")])
    lips_lower = np.concatenate([mouth, _part(landmarks, "lower_lip_inner")])
    above_eye, below_eye = _slit(grid, eyes_upper, eyes_lower, eye_spans)
    above_lip, below_lip = _slit(grid, lips_upper, lips_lower, [(mouth[0, 0], mouth[1, 0])])
    part = middle_blend(grid[..., 1])
    upper = (1 - part) * above_eye + part * above_lip
    lower = (1 - part) * below_eye + part * below_lip
    return upper.astype(np.float32), lower.astype(np.float32)


def cut_layers(image: Image, landmarks: NDArray[np.floating], view: View) -> FaceLayers:
    """Cut a target, image (H, W) or (H, W, 3) seen in `view`, with landmarks (95, 2) in face units, into layers."""
    grid = view.grid()
    upper, lower = skin_masks(landmarks, grid)
    inner, place = _behind_lids(image, landmarks, view)
    inner = _behind_lips(inner, landmarks, grid, view)
    mouth = landmarks[PART["mouth_corners"]]
    centre, half = mouth.mean(axis=0), (mouth[3, 0] - mouth[0, 0]) / 2
    radius = np.hypot((grid[..., 0] - centre[0]) / (half * 1.25), (grid[..., 1] - centre[1] - 0.12) / 0.55)
    place = np.maximum(place, smoothstep((1 - radius) * 4))
    return FaceLayers(image, inner, upper, lower, place.astype(np.float32))


def _behind_lids(image: Image, landmarks: NDArray[np.floating], view: View) -> tuple[Image, NDArray[np.float64]]:
    """The target with its eyeballs grown beyond the lids, and the places (H, W) where they may show."""
    inner, place = image.copy(), np.zeros(image.shape[:2])
    for side in ("right", "left"):
        upper = landmarks[PART[f"upper_lid_{side}"]]
        lower = landmarks[PART[f"lower_lid_{side}"]]
        corners = landmarks[PART[f"corners_{side}"]]
        outline = np.concatenate([corners[:1], upper, corners[1:], lower[::-1]])
        eye = _filled(view, outline, image.shape[:2])
        reach = max(3, round(0.07 * view.unit_px))
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
        around = cv2.dilate(eye, kernel)
        thin = cv2.erode(eye, np.ones((3, 3), np.uint8), iterations=max(1, round(0.012 * view.unit_px)))
        sure = np.asarray(thin, np.uint8)
        hole = np.asarray((around > 0) & (sure == 0), np.uint8)
        if sure.any():
            inner = np.asarray(_grown(inner, hole, sure), np.uint8)
        place = np.maximum(place, cv2.GaussianBlur(around.astype(np.float32), (0, 0), max(1.0, reach / 4)))
    return inner, place


def _grown(image: Image, hole: NDArray[np.uint8], sure: NDArray[np.uint8]) -> Image:
    """Fill `hole` with the nearest pixel of `sure`, then soften the seams of that filling."""
    _, labels = cv2.distanceTransformWithLabels(1 - sure, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    source = np.zeros((int(labels.max()) + 1, *image.shape[2:]), np.uint8)
    known = sure > 0
    source[labels[known]] = image[known]
    filled = image.copy()
    filled[hole > 0] = source[labels[hole > 0]]
    soft = cv2.GaussianBlur(filled, (0, 0), 1.0)
    filled[hole > 0] = soft[hole > 0]
    return filled


def _filled(view: View, outline: NDArray[np.floating], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    mask = np.zeros(shape, np.uint8)
    points = np.round(view.points_px(outline) * 16).astype(np.int32)
    cv2.fillPoly(mask, [points], 1, cv2.LINE_8, 4)
    return mask


def _behind_lips(inner: Image, landmarks: NDArray[np.floating], grid: NDArray[np.float32], view: View) -> Image:
    """Paint upper teeth, dark and tongue behind the lips; an open mouth in the target keeps its own pixels."""
    mouth = landmarks[PART["mouth_corners"]]
    centre, half = mouth.mean(axis=0), max((mouth[2, 0] - mouth[1, 0]) / 2, 0.05)
    upper_lip = np.concatenate([mouth[1:3], landmarks[PART["upper_lip_inner"]]])
    across = (grid[..., 0] - centre[0]) / half
    below = grid[..., 1] - _line(grid[..., 0], upper_lip)
    light = np.clip(_skin_light(inner, landmarks, view) / 165.0, 0.35, 1.15)
    shade = np.clip(1.05 - 0.55 * across**2, 0.25, 1) * np.clip(0.78 + 3.5 * below, 0.55, 1)
    shade = shade * (0.96 + 0.04 * np.cos(across * _TEETH_LINES))
    teeth = smoothstep((0.055 - 0.03 * across**2 - below) / 0.015)
    tongue = 0.8 * smoothstep((below - 0.17) / 0.06) * np.clip(1 - across**2, 0, 1)
    paint = np.zeros((*grid.shape[:2], 3))
    for channel in range(3):
        deep = _DARK[channel] + (_TONGUE[channel] - _DARK[channel]) * tongue
        paint[..., channel] = light * (deep + (_TEETH[channel] * shade - deep) * teeth)
    gap = float(mouth_opening(landmarks))
    own = np.zeros(grid.shape[:2])
    if gap > _OPEN_MOUTH:
        lower_lip = np.concatenate([mouth[1:3], landmarks[PART["lower_lip_inner"]]])
        inside = np.minimum(below, _line(grid[..., 0], lower_lip) - grid[..., 1])
        own = smoothstep((inside - 0.015) / 0.015) * (np.abs(across) < 1)
    area = smoothstep((grid[..., 1] - centre[1] + 0.3) / 0.1) * (1 - own)
    if inner.ndim == 2:
        gray = paint @ np.array([0.114, 0.587, 0.299])
        return np.asarray(np.clip(inner + area * (gray - inner), 0, 255), np.uint8)
    return np.asarray(np.clip(inner + area[..., None] * (paint - inner), 0, 255), np.uint8)


def _skin_light(image: Image, landmarks: NDArray[np.floating], view: View) -> float:
    """Median luma of the cheeks: teeth in a dark picture are dark."""
    points = np.round(view.points_px(landmarks[PART["cheeks"]])).astype(int)
    rows = np.clip(points[:, 1], 0, image.shape[0] - 1)
    columns = np.clip(points[:, 0], 0, image.shape[1] - 1)
    return float(np.median(image[rows, columns]))
