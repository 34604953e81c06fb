"""A generic face of our own and how each muscle-like control moves its landmarks: formulas, no measured data.

Controls carry ARKit-like names, 1 being a strong but natural activation; displacement is in face units.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from training.drivers.landmarks import LANDMARKS, PART, STANDARD_APERTURE

CONTROLS = (
    "blink_right", "blink_left", "squint_right", "squint_left", "wide_right", "wide_left",
    "brow_inner_right", "brow_inner_left", "brow_outer_right", "brow_outer_left", "brow_down_right", "brow_down_left",
    "gaze_x", "gaze_y",
    "jaw_open", "jaw_side", "lips_wide", "lips_round", "lips_press", "upper_lip_up", "lower_lip_down",
    "smile_right", "smile_left", "frown_right", "frown_left", "nose_wrinkle",
)  # fmt: skip

CONTROL = {name: index for index, name in enumerate(CONTROLS)}

_EYE_CENTRE_X, _EYE_HALF, _LOWER_LID_SHARE = 0.35, 0.155, 0.4
_MOUTH_Y, _MOUTH_HALF = 0.79, 0.28
_JAW_Y = 0.7


def _mirrored(points: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(points * np.array([-1.0, 1.0]))


def _lips(half: float, height: float, count: int = 5) -> NDArray[np.float64]:
    """Points of one lip edge from the image's left to its right, (count, 2), bent by `height`."""
    x = np.linspace(-0.72, 0.72, count) * half
    return np.stack([x, _MOUTH_Y + height * np.sqrt(1 - (x / half) ** 2)], axis=1)


@cache
def generic_face() -> NDArray[np.float64]:
    """Landmarks (95, 2) of a neutral, symmetric face, eyes open by STANDARD_APERTURE, mouth just closed."""
    face = np.zeros((LANDMARKS, 2))
    along = np.linspace(-0.7, 0.7, 5)  # from the temple's side of the right eye to the nose's
    arc = np.cos(along * 1.2) / np.cos(0.6 * 0.7)
    lid_x = -_EYE_CENTRE_X + along * _EYE_HALF
    face[PART["upper_lid_right"]] = np.stack([lid_x, -STANDARD_APERTURE * (1 - _LOWER_LID_SHARE) * arc], axis=1)
    face[PART["lower_lid_right"]] = np.stack([lid_x, STANDARD_APERTURE * _LOWER_LID_SHARE * arc], axis=1)
    face[PART["corners_right"]] = [(-0.5, 0.0), (-0.195, 0.015)]
    face[PART["iris_right"]] = [(-_EYE_CENTRE_X, -0.01)]
    brow_x = np.linspace(-0.64, -0.16, 5)
    face[PART["brow_right"]] = np.stack([brow_x, -0.27 + 0.9 * (brow_x + 0.36) ** 2], axis=1)
    for name in ("upper_lid", "lower_lid", "corners", "iris", "brow"):
        face[PART[f"{name}_left"]] = _mirrored(face[PART[f"{name}_right"]])
    face[PART["nose"]] = [(0, -0.04), (0, 0.05), (0, 0.21), (0, 0.38), (0, 0.53)]
    face[PART["nostrils"]] = [(-0.2, 0.46), (-0.15, 0.5), (0.15, 0.5), (0.2, 0.46)]
    half = _MOUTH_HALF
    face[PART["mouth_corners"]] = [(-half, 0.79), (-half + 0.03, 0.79), (half - 0.03, 0.79), (half, 0.79)]
    face[PART["upper_lip_outer"]] = _lips(half, -0.11)
    face[PART["upper_lip_inner"]] = _lips(half - 0.03, -0.012)
    face[PART["lower_lip_inner"]] = _lips(half - 0.03, 0.012)
    face[PART["lower_lip_outer"]] = _lips(half, 0.15)
    right_cheek = np.array([(-0.56, 0.38), (-0.45, 0.49), (-0.61, 0.56)])
    face[PART["cheeks"]] = np.concatenate([right_cheek, _mirrored(right_cheek)[::-1]])
    face[PART["forehead"]] = [(0, -0.24), (0, -0.44)]
    turn = np.arange(18) / 18 * 2 * np.pi
    narrowing = 1 - 0.12 * np.clip(-np.cos(turn), 0, 1)
    face[PART["oval"]] = np.stack([0.8 * np.sin(turn) * narrowing, 0.34 - 0.98 * np.cos(turn)], axis=1)
    return face


def _bump(values: NDArray[np.float64], centre: float, width: float) -> NDArray[np.float64]:
    return np.exp(-0.5 * ((values - centre) / width) ** 2)


def _lower_face(face: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each landmark goes with the jaw, (95,)."""
    follow = np.zeros(LANDMARKS)
    follow[PART["lower_lip_inner"]] = (0.72, 0.95, 1.0, 0.95, 0.72)
    follow[PART["lower_lip_outer"]] = (0.78, 0.97, 1.0, 0.97, 0.78)
    follow[PART["mouth_corners"]] = (0.3, 0.32, 0.32, 0.3)
    oval = face[PART["oval"]]
    follow[PART["oval"]] = np.clip((oval[:, 1] - 0.35) / 0.75, 0, 1) ** 1.3 * 0.95
    follow[PART["cheeks"]] = (0.02, 0.1, 0.18, 0.18, 0.1, 0.02)
    follow[PART["upper_lip_inner"]] = follow[PART["upper_lip_outer"]] = 0.03
    return follow


def _sided(face: NDArray[np.float64], side: str) -> NDArray[np.float64]:
    """1 on the given half of the face, 0 on the other, a soft step at the middle, (95,)."""
    sign = -1.0 if side == "right" else 1.0
    return np.clip(0.5 + sign * face[:, 0] / 0.12, 0, 1)


def _mouth_parts(face: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Masks (95,) of the whole mouth and of what surrounds its corners."""
    mouth = np.zeros(LANDMARKS)
    for name in ("mouth_corners", "upper_lip_outer", "upper_lip_inner", "lower_lip_inner", "lower_lip_outer"):
        mouth[PART[name]] = 1
    corner = _bump(np.abs(face[:, 0]), _MOUTH_HALF, 0.13) * _bump(face[:, 1], _MOUTH_Y, 0.16)
    return mouth, corner


def _eye_controls(face: NDArray[np.float64], basis: NDArray[np.float64], side: str) -> None:
    lid_top, lid_bottom = PART[f"upper_lid_{side}"], PART[f"lower_lid_{side}"]
    height = face[lid_bottom, 1] - face[lid_top, 1]
    blink = basis[CONTROL[f"blink_{side}"]]
    blink[lid_top, 1], blink[lid_bottom, 1] = 0.86 * height, -0.14 * height
    blink[PART[f"brow_{side}"], 1] = 0.006
    squint = basis[CONTROL[f"squint_{side}"]]
    squint[lid_top, 1], squint[lid_bottom, 1] = 0.12 * height, -0.36 * height
    cheek = _bump(face[:, 1], 0.42, 0.12) * _bump(np.abs(face[:, 0]), 0.52, 0.15) * _sided(face, side)
    squint[:, 1] -= 0.03 * cheek
    basis[CONTROL[f"wide_{side}"]][lid_top, 1] = -0.3 * height
    brow = PART[f"brow_{side}"]
    basis[CONTROL[f"brow_inner_{side}"]][brow, 1] = np.array([0.0, 0.1, 0.35, 0.75, 1.0]) * -0.09
    basis[CONTROL[f"brow_outer_{side}"]][brow, 1] = np.array([0.8, 1.0, 0.8, 0.4, 0.15]) * -0.09
    down = basis[CONTROL[f"brow_down_{side}"]]
    down[brow, 1] = np.array([0.2, 0.45, 0.75, 1.0, 1.0]) * 0.055
    down[brow, 0] = np.array([0.0, 0.1, 0.3, 0.7, 1.0]) * (0.035 if side == "right" else -0.035)
    down[lid_top, 1] = 0.06 * height
    for name in ("inner", "outer"):
        basis[CONTROL[f"brow_{name}_{side}"]][PART["forehead"], 1] = (-0.012, -0.015)
        basis[CONTROL[f"brow_{name}_{side}"]][lid_top, 1] = -0.07 * height


def _corner_controls(face: NDArray[np.float64], basis: NDArray[np.float64], side: str) -> None:
    mouth, corner = _mouth_parts(face)
    sign = -1.0 if side == "right" else 1.0
    half = _sided(face, side)
    reach = np.clip(sign * face[:, 0] / _MOUTH_HALF, 0, 1.2)
    smile = basis[CONTROL[f"smile_{side}"]]
    smile[:, 0] = sign * 0.075 * mouth * reach + sign * 0.02 * corner * half
    smile[:, 1] = -0.075 * mouth * reach**2 - 0.02 * corner * half
    cheek = _bump(face[:, 1], 0.48, 0.13) * _bump(np.abs(face[:, 0]), 0.54, 0.14) * half
    smile[:, 1] -= 0.05 * cheek
    smile[:, 0] += sign * 0.015 * cheek
    smile[PART[f"lower_lid_{side}"], 1] -= 0.016
    frown = basis[CONTROL[f"frown_{side}"]]
    frown[:, 1] = 0.05 * mouth * reach**2 + 0.02 * corner * half
    frown[:, 0] = sign * 0.01 * mouth * reach


def _jaw_and_lip_controls(face: NDArray[np.float64], basis: NDArray[np.float64]) -> None:
    mouth, corner = _mouth_parts(face)
    x = face[:, 0]
    jaw = _lower_face(face)
    basis[CONTROL["jaw_open"]][:, 1] = 0.3 * jaw
    basis[CONTROL["jaw_open"]][:, 0] = -0.12 * x * mouth
    basis[CONTROL["jaw_side"]][:, 0] = 0.07 * jaw
    basis[CONTROL["lips_wide"]][:, 0] = 0.2 * x * mouth + 0.05 * np.sign(x) * corner * (1 - mouth)
    basis[CONTROL["lips_round"]][:, 0] = -0.28 * x * mouth - 0.04 * np.sign(x) * corner * (1 - mouth)
    for name, push in (("upper_lip_outer", -0.02), ("lower_lip_outer", 0.02)):
        basis[CONTROL["lips_round"]][PART[name], 1] = push
    press = {"upper_lip_outer": 0.03, "upper_lip_inner": 0.018, "lower_lip_inner": -0.018, "lower_lip_outer": -0.04}
    for name, push in press.items():
        basis[CONTROL["lips_press"]][PART[name], 1] = push
    middle = _bump(x, 0.0, 0.2)
    for name, amount in (("upper_lip_outer", -0.06), ("upper_lip_inner", -0.06), ("nostrils", -0.02)):
        basis[CONTROL["upper_lip_up"]][PART[name], 1] = amount * middle[PART[name]]
    for name in ("lower_lip_inner", "lower_lip_outer"):
        basis[CONTROL["lower_lip_down"]][PART[name], 1] = 0.07 * middle[PART[name]]
    wrinkle = basis[CONTROL["nose_wrinkle"]]
    wrinkle[PART["nostrils"], 1] = -0.035
    wrinkle[PART["upper_lip_outer"], 1] = -0.02
    for side in ("right", "left"):
        wrinkle[PART[f"brow_{side}"], 1] = np.array([0.0, 0.0, 0.1, 0.4, 0.6]) * 0.03


@cache
def control_basis() -> NDArray[np.float32]:
    """Landmark displacement of every control at 1, float32 (len(CONTROLS), 95, 2), face units."""
    face = generic_face()
    basis = np.zeros((len(CONTROLS), LANDMARKS, 2))
    for side in ("right", "left"):
        _eye_controls(face, basis, side)
        _corner_controls(face, basis, side)
        basis[CONTROL["gaze_x"]][PART[f"iris_{side}"], 0] = 0.07
        basis[CONTROL["gaze_y"]][PART[f"iris_{side}"], 1] = 0.045
        # lids follow the eye up and down
        basis[CONTROL["gaze_y"]][PART[f"upper_lid_{side}"], 1] = 0.03
        basis[CONTROL["gaze_y"]][PART[f"lower_lid_{side}"], 1] = 0.008
    _jaw_and_lip_controls(face, basis)
    return basis.astype(np.float32)


def jaw_drop() -> NDArray[np.float32]:
    """Landmark motion (95, 2) that opens the lips by one face unit; scale it."""
    opening = control_basis()[CONTROL["jaw_open"]]
    gap = opening[PART["lower_lip_inner"], 1] - opening[PART["upper_lip_inner"], 1]
    return np.asarray(opening / gap[1:4].mean(), np.float32)


@cache
def depth() -> NDArray[np.float64]:
    """Distance of each landmark in front of the plane of the outer eye corners, (95,), face units: a rounded head."""
    face = generic_face()
    bulge = 0.55 * np.sqrt(np.clip(1.15 - (face[:, 0] / 0.85) ** 2 - 0.3 * ((face[:, 1] - 0.3) / 1.0) ** 2, 0, None))
    result = bulge - bulge[PART["corners_right"]][0]
    result[PART["nose"]] += (0.02, 0.08, 0.2, 0.3, 0.16)
    result[PART["nostrils"]] += 0.08
    return np.asarray(result)
