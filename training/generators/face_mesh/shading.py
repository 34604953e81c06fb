"""Light on a moving surface: normals from the triangles around each vertex, wrapped Lambert and Blinn's highlight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

_WRAP = 0.25
"""How far light reaches around the edge of shade: skin is never lit as hard as plaster."""


def triangles_around(triangles: NDArray[np.int64], vertices: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The triangles around each vertex, one vertex after the other, int64 (3F,), and where each begins, int64 (V,)."""
    corners = triangles.ravel()
    counts = np.bincount(corners, minlength=vertices)
    return np.argsort(corners, kind="stable") // 3, np.cumsum(counts) - counts


def vertex_normals(points: Tensor, triangles: Tensor, around: Tensor, begins: Tensor) -> Tensor:
    """Unit normals (N, V, 3) of points (N, V, 3): the mean of the triangles around (see above), weighted by area."""
    batch = len(points)
    rows = points.transpose(0, 1).reshape(points.shape[1], -1)  # whole rows are gathered faster than single points
    a, b, c = (rows.index_select(0, triangles[:, corner]).view(-1, batch, 3) for corner in range(3))
    across = torch.linalg.cross(b - a, c - a, dim=-1).view(len(triangles), -1)
    total = functional.embedding_bag(around, across, begins, mode="sum").view(-1, batch, 3).transpose(0, 1)
    return functional.normalize(total, dim=-1)


@dataclass(frozen=True, slots=True)
class Surface:
    """What light meets: albedo and gloss, 0-1, and how narrow the highlight is (Blinn's exponent), each (N, V)."""

    albedo: Tensor
    gloss: Tensor
    exponent: Tensor


def shade(normals: Tensor, surface: Surface, light: Tensor, ambient: Tensor) -> Tensor:
    """Luma 0-255 (N, V) of vertices with normals (N, V, 3); light (N, 3) points towards it, ambient is its share (N,).

    Ambient light comes from above: what looks down gets half of it.
    """
    facing = torch.einsum("nvc,nc->nv", normals, light)
    diffuse = ((facing + _WRAP) / (1 + _WRAP)).clamp(min=0)
    halfway = light + torch.tensor([0.0, 0.0, 1.0], device=light.device)
    halfway = halfway / halfway.norm(dim=-1, keepdim=True)
    mirrored = torch.einsum("nvc,nc->nv", normals, halfway).clamp(min=0) ** surface.exponent
    sky = ambient.unsqueeze(1) * (0.75 - 0.25 * normals[..., 1])
    return 255 * (surface.albedo * (sky + (1 - ambient).unsqueeze(1) * diffuse) + surface.gloss * mirrored).clamp(0, 1)
