"""Where a head's vertices come to lie: turned, looking somewhere, moved in the picture. Coordinates as in model.py."""

from __future__ import annotations

import torch
from torch import Tensor

from training.generators.geometry import HEAD_SHIFT_LIMIT

_FURTHEST_GAZE = 0.6
"""Largest sine of an eye's turn."""


def turn_matrix(turn: Tensor) -> Tensor:
    """Matrices (N, 3, 3) that turn the head by (N, 2) = yaw, pitch, and keep the eye corners' distance in the picture.

    Yaw turns what is in front to the image's right, pitch turns it down, as `drivers.head.turn` does.
    """
    (cos_yaw, cos_pitch), (sin_yaw, sin_pitch) = torch.cos(turn).unbind(1), torch.sin(turn).unbind(1)
    nothing = torch.zeros_like(cos_yaw)
    rows = [
        torch.stack([cos_yaw, nothing, sin_yaw], dim=1),
        torch.stack([-sin_yaw * sin_pitch, cos_pitch, cos_yaw * sin_pitch], dim=1),
        torch.stack([-sin_yaw * cos_pitch, -sin_pitch, cos_yaw * cos_pitch], dim=1),
    ]
    return torch.stack(rows, dim=1) / cos_yaw.view(-1, 1, 1)


def gaze_matrix(towards: Tensor) -> Tensor:
    """The shortest turns (N, 3, 3) that bring the axis z to directions whose x and y are `towards` (N, 2).

    Rodrigues' formula for two unit vectors; longer ones than an eye can turn to are shortened.
    """
    length = towards.norm(dim=1, keepdim=True)
    x, y = (towards * (_FURTHEST_GAZE / length.clamp(min=_FURTHEST_GAZE))).unbind(1)
    z = torch.sqrt(1 - x**2 - y**2)
    share = 1 / (1 + z)
    rows = [
        torch.stack([1 - share * x * x, -share * x * y, x], dim=1),
        torch.stack([-share * x * y, 1 - share * y * y, y], dim=1),
        torch.stack([-x, -y, z], dim=1),
    ]
    return torch.stack(rows, dim=1)


def head_moved(points: Tensor, head: Tensor) -> Tensor:
    """Points (N, V, 3) moved by head motion (N, 4) = x, y, scale, roll, bent back beyond the shift limit."""
    shift = HEAD_SHIFT_LIMIT * torch.tanh(head[:, :2] / HEAD_SHIFT_LIMIT)
    cos, sin = torch.cos(head[:, 3]), torch.sin(head[:, 3])
    nothing, one = torch.zeros_like(cos), torch.ones_like(cos)
    rows = [
        torch.stack([cos, -sin, nothing], dim=1),
        torch.stack([sin, cos, nothing], dim=1),
        torch.stack([nothing, nothing, one], dim=1),
    ]
    matrix = torch.stack(rows, dim=1) * head[:, 2].view(-1, 1, 1)
    return points @ matrix.mT + torch.cat([shift, nothing.unsqueeze(1)], dim=1).unsqueeze(1)


def head_stilled(points: Tensor, head: Tensor) -> Tensor:
    """Where points (N, P, 2) lie when the head (N, 4) moves back: the inverse of `head_moved` in the picture."""
    shift = HEAD_SHIFT_LIMIT * torch.tanh(head[:, :2] / HEAD_SHIFT_LIMIT)
    x, y = ((points - shift.unsqueeze(1)) / head[:, None, 2:3]).unbind(dim=2)
    cos, sin = torch.cos(head[:, 3:]), torch.sin(head[:, 3:])
    return torch.stack([x * cos + y * sin, y * cos - x * sin], dim=2)
