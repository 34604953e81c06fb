"""Thin-plate-spline warp (Bookstein, IEEE TPAMI 11(6), 1989), batched in torch: the smoothest map through landmarks.

A plate has no local reach: its affine part moves whatever takes part in the head's motion, hair and ears included, and
between landmarks it overshoots. That is what sets its pictures apart from those of the local `mesh_warp_torch`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from training.generators.fields import KNOWN
from training.generators.layered_warp import Canvas, LayeredWarp
from training.generators.lid_bands import SKIN_BAND, band_operator
from training.generators.targets import TargetSet

_NODES = tuple(np.concatenate([known, band]) for known, band in zip(KNOWN, SKIN_BAND, strict=True))
_RIDGE = 1e-5
"""Smoothing (Wahba, 1990, section 2.4) that keeps a plate flat between landmarks that all but touch, as lips do."""
_NO_DISTANCE = 1e-20
"""Keeps the logarithm of 0 finite; what it is multiplied with is 0."""


class ThinPlateWarp(LayeredWarp):
    """Backward warp: in every frame one plate above and one below the slits takes moved landmarks to resting ones."""

    def __init__(self, targets: TargetSet) -> None:
        super().__init__(targets)
        self.bands: Tensor
        self.rest: Tensor
        self.register_buffer("bands", torch.from_numpy(band_operator()[: _NODES[1].max() + 1]))
        self.register_buffer("rest", self.bands @ torch.from_numpy(targets.landmarks))

    def skin_sources(self, target_index: Tensor, moved: Tensor, canvas: Canvas) -> tuple[Tensor, Tensor]:
        """See `LayeredWarp`; what does not take part in the head's motion does not follow the plates either."""
        rest = canvas.per_frame(self.rest[target_index])
        nodes = rest + self.bands @ moved.flatten(0, 1)
        bending = nodes.new_zeros(*nodes.shape[:2], 2, 2)
        affine = nodes.new_zeros(len(nodes), 3, 2, 2)
        for plate, known in enumerate(_NODES):
            bending[:, known, plate], affine[:, :, plate] = thin_plate(nodes[:, known], (rest - nodes)[:, known])
        still = canvas.still.flatten(1, 2)
        shift = thin_plate_kernel(still, nodes) @ bending.flatten(2)
        shift += affine[:, :1].flatten(2) + still @ affine[:, 1:].flatten(2)
        shifts = (canvas.per_frame(canvas.follows).unsqueeze(3) * shift.view(*canvas.still.shape[:3], 2, 2)).unbind(3)
        return canvas.at_pixels(canvas.still + shifts[0]), canvas.at_pixels(canvas.still + shifts[1])


def thin_plate_kernel(points: Tensor, nodes: Tensor) -> Tensor:
    """U(r) = r^2 log r^2 (equation 1) of points (N, m, 2) and nodes (N, n, 2): (N, m, n)."""
    square = torch.cdist(points, nodes).square_()
    return square.clamp(min=_NO_DISTANCE).log_().mul_(square)


def thin_plate(nodes: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """The plate that takes values (N, n, 2) at nodes (N, n, 2): weights (N, n, 2) of U, affine part (N, 3, 2).

    Solves the linear system of equation 3 in double precision; the affine part multiplies 1, x and y.
    """
    count, size = nodes.shape[:2]
    nodes = nodes.double()
    affine = torch.cat([torch.ones_like(nodes[..., :1]), nodes], dim=-1)
    system = nodes.new_zeros(count, size + 3, size + 3)
    system[:, :size, :size] = thin_plate_kernel(nodes, nodes)
    system[:, :size, :size].diagonal(dim1=1, dim2=2).add_(_RIDGE)
    system[:, :size, size:] = affine
    system[:, size:, :size] = affine.transpose(1, 2)
    known = torch.cat([values.double(), values.new_zeros(count, 3, 2).double()], dim=1)
    weights = torch.linalg.solve(system, known).to(values.dtype)
    return weights[:, :size], weights[:, size:]
