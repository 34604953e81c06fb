"""From landmark motion to what moves the mesh: expression coefficients and a small turn of the head.

Least squares with a Gaussian prior on every unknown, inside bounds: expressions neither go below 0 nor far beyond 1.
Solved by a fixed number of accelerated projected gradient steps (Beck and Teboulle, 2009, FISTA with constant step),
so the solution depends on the motion alone, and steadily.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.drivers.face_basis import jaw_drop
from training.drivers.landmarks import LANDMARKS, PART
from training.generators.face_mesh.correspondence import SKIN_LANDMARKS, SKIN_VERTICES, mesh_landmarks
from training.generators.face_mesh.model import FaceModel
from training.generators.fields import lid_gains

LEFT_OUT = (
    "PupilDilate_L", "PupilDilate_R", "jawForward", "cheekPuff_L", "cheekPuff_R",
    "mouthClose", "mouthLeft", "mouthRight",
)  # fmt: skip
"""Expressions that landmarks do not show; one that only makes sense as a part of another (it shuts the lips of an open
jaw); and two that, asked for at once to narrow a mouth, crumple it."""
TURN_LIMIT = 0.35
"""Largest yaw and pitch, radians."""
_LARGEST, _LARGEST_OF_EYES, _LARGEST_OF_CURLED_LIPS = 1.0, 1.4, 0.5
_CURLED_LIPS = ("mouthRoll", "mouthShrug", "mouthPress", "mouthFrown")
"""Bounds: lids meet a little beyond 1; lips that roll, shrug and press at once crumple."""
_OVERLAP = 0.04
"""How far, in face units, lips may be asked to pass through each other: they are pressed then, not crossed."""
_NOISE = 0.01
_USUAL_EXPRESSION, _USUAL_TURN = 0.35, 0.12
"""Deviations of the priors; the noise is in face units."""
_STEPS = 150


class MotionFit(nn.Module):
    """Fits landmark motion with all expressions but `LEFT_OUT`, yaw and pitch. Nothing to train."""

    def __init__(self, model: FaceModel) -> None:
        super().__init__()
        columns = landmark_columns(model)
        weights = _landmark_weights()[SKIN_LANDMARKS].repeat(2)
        count = columns.shape[1]
        prior = np.full(count, _NOISE / _USUAL_EXPRESSION) ** 2
        prior[-2:] = (_NOISE / _USUAL_TURN) ** 2
        gram = columns.T @ (weights[:, None] * columns) + np.diag(prior)
        scale = 1 / np.sqrt(np.diag(gram))  # unknowns of like influence: far fewer steps
        scaled = scale[:, None] * gram * scale
        step = 1 / np.linalg.eigvalsh(scaled)[-1]
        lower, upper = np.zeros(count), np.full(count, _LARGEST)
        for place, name in enumerate(model.expression_names):
            if name.startswith("eye"):
                upper[place] = _LARGEST_OF_EYES
            if name.startswith(_CURLED_LIPS):
                upper[place] = _LARGEST_OF_CURLED_LIPS
            if name in LEFT_OUT:
                upper[place] = 0
        lower[-2:], upper[-2:] = -TURN_LIMIT, TURN_LIMIT
        self.columns: Tensor
        self.pull: Tensor
        self.shrink: Tensor
        self.lower: Tensor
        self.upper: Tensor
        self.scale: Tensor
        self.gains: Tensor
        self.jaw: Tensor
        self.register_buffer("columns", torch.from_numpy(columns).float())
        self.register_buffer("pull", torch.from_numpy(step * weights[:, None] * columns * scale).float())
        self.register_buffer("shrink", torch.from_numpy(np.eye(count) - step * scaled).float())
        self.register_buffer("lower", torch.from_numpy(lower / scale).float())
        self.register_buffer("upper", torch.from_numpy(upper / scale).float())
        self.register_buffer("scale", torch.from_numpy(scale).float())
        self.register_buffer("jaw", torch.from_numpy(jaw_drop()))
        self.register_buffer("gains", torch.from_numpy(lid_gains(mesh_landmarks(model.neutral))))

    def forward(self, motion: Tensor) -> tuple[Tensor, Tensor]:
        """Landmark motion (N, 95, 2), face units -> coefficients (N, E) and turn (N, 2) = yaw, pitch in radians."""
        pulled = self.skin_motion(self._lips_at_most_shut(motion)) @ self.pull
        solution = ahead = torch.zeros_like(pulled)
        momentum = 1.0
        for _ in range(_STEPS):
            last = solution
            solution = (ahead @ self.shrink + pulled).clamp(self.lower, self.upper)
            following = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
            ahead = solution + (momentum - 1) / following * (solution - last)
            momentum = following
        solution = solution * self.scale
        return solution[:, :-2], solution[:, -2:]

    def skin_motion(self, motion: Tensor) -> Tensor:
        """What is fitted: motion (N, 95, 2) of the skin's landmarks with the neutral mesh's eye openings, (N, 186)."""
        return (motion * self.gains)[:, SKIN_LANDMARKS].flatten(1)

    def _lips_at_most_shut(self, motion: Tensor) -> Tensor:
        """The motion with the jaw dropped as far as the lips would pass through each other by more than `_OVERLAP`.

        A driver whose usual mouth stands open asks for that whenever it shuts; expressions would crumple the lips.
        """
        upper, lower = (motion[:, PART[f"{lip}_lip_inner"], 1][:, 1:4].mean(dim=1) for lip in ("upper", "lower"))
        beyond = (upper - lower - _OVERLAP).clamp(min=0)
        return motion + beyond.view(-1, 1, 1) * self.jaw

    def fitted(self, coefficients: Tensor, turn: Tensor) -> Tensor:
        """What a solution moves, to first order, (N, 186)."""
        return torch.cat([coefficients, turn], dim=1) @ self.columns.T


def landmark_columns(model: FaceModel) -> NDArray[np.float64]:
    """Motion (186, E + 2) of the skin's landmarks (x and y in turn) by each expression at 1, and by yaw and pitch."""
    expressions = model.expressions[:, SKIN_VERTICES, :2].reshape(len(model.expressions), -1)
    front = model.neutral[SKIN_VERTICES, 2]
    turns = np.zeros((2, len(front), 2))
    turns[0, :, 0] = turns[1, :, 1] = front
    return np.concatenate([expressions, turns.reshape(2, -1)]).T.astype(np.float64)


def _landmark_weights() -> NDArray[np.float64]:
    """Lids and lips tell most and move least noisily; the nose tells a turn of the head from a dropped jaw; trackers
    and meshes disagree about where the oval goes with the jaw."""
    weights = np.ones(LANDMARKS)
    weights[PART["oval"]] = 0.1
    weights[PART["nose"]] = 4.0
    weights[PART["nostrils"]] = 2.0
    for side in ("right", "left"):
        weights[PART[f"upper_lid_{side}"]] = weights[PART[f"lower_lid_{side}"]] = 10.0
        weights[PART[f"brow_{side}"]] = 1.5
    for part in ("upper_lip_inner", "lower_lip_inner", "mouth_corners"):
        weights[PART[part]] = 2.0
    return weights
