"""What is asked of templates and measured on them: that each moves little, that none repeats another.

A template is what one token adds to an expression. Sparsity is the L1 norm of what it moves, orthogonality the squared
Frobenius norm of C C^T - I on normalised codes C (seed_systems.md 3.2); both are divided by the number of codes, ours,
so that a weight means the same for every codebook.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

Floats = NDArray[np.float64]


class Movement(nn.Module):
    """Linear map from coefficients to what they move on a face: `shifts` (C, V, 3), or the coefficients themselves
    (C, C, 1) where there is no mesh for them.

    unit: mean movement of a typical frame, which makes sparsity and mesh error plain numbers.
    """

    shifts: Tensor
    unit: Tensor
    gram: Tensor

    def __init__(self, shifts: Tensor, typical: Tensor) -> None:
        """typical: (n, C), coefficients of frames about their mean."""
        super().__init__()
        self.register_buffer("shifts", shifts.float())
        flat = self.shifts.flatten(1)
        self.register_buffer("unit", (typical.float() @ flat).abs().mean())
        gram = flat @ flat.T
        power = torch.einsum("nc,cd,nd->n", typical.float(), gram, typical.float()).mean()
        self.register_buffer("gram", gram / power)

    def sparsity(self, templates: Tensor) -> Tensor:
        """Mean over templates (K, C) of the L1 norm of what they move over its L2 norm, 1 = every vertex moves alike.

        Relative to the template's own size (ours): the plain L1 norm shrinks all templates alike and hardly makes any
        of them more local (`results/facial_codes.md`).
        """
        moved = templates @ self.shifts.flatten(1)
        return (moved.abs().mean(dim=1) / moved.square().mean(dim=1).clamp(min=1e-12).sqrt()).mean()

    def amount(self, templates: Tensor) -> Tensor:
        """Mean L1 of what templates (K, C) move, 1 = as much as a typical frame."""
        return (templates @ self.shifts.flatten(1)).abs().mean() / self.unit

    def error(self, difference: Tensor) -> Tensor:
        """Mean squared vertex error of coefficient differences (n, C), 1 = as much as frames move about their mean."""
        return ((difference @ self.gram) * difference).sum(1).mean()

    @torch.no_grad()
    def sizes(self, templates: Tensor) -> Floats:
        """How far each template (K, C) moves each vertex, (K, V)."""
        moved = (templates @ self.shifts.flatten(1)).view(len(templates), *self.shifts.shape[1:])
        sizes: Floats = moved.norm(dim=2).double().numpy()
        return sizes


def orthogonality(codes: Tensor) -> Tensor:
    """Squared Frobenius norm of C C^T - I over the number of codes, rows of C (K, D) normalised first."""
    rows = functional.normalize(codes, dim=1)
    # ||C C^T - I||^2 = ||C^T C||^2 - 2 tr(C C^T) + K, by which K x K numbers are never made.
    return ((rows.T @ rows).square().sum() - 2 * rows.square().sum() + len(rows)) / len(rows)


@dataclass(frozen=True, slots=True)
class TemplateFigures:
    """Means over used tokens. locality: Gini coefficient of a template's movement over vertices, 1 = a single vertex
    moves. cosine: of pairs of templates, absolute. movement: of a template, 1 = a typical frame."""

    locality: float
    cosine: float
    movement: float


def template_figures(movement: Movement, templates: Tensor, used: NDArray[np.bool_]) -> TemplateFigures:
    """Figures of the templates (K, C) that are used (K,)."""
    with torch.no_grad():
        kept = templates[torch.from_numpy(used)]
        rows = functional.normalize(kept, dim=1)
        pairs = (rows @ rows.T).abs()[~torch.eye(len(rows), dtype=torch.bool)]
        size = float(movement.amount(kept))
    return TemplateFigures(float(gini(movement.sizes(kept)).mean()), float(pairs.mean()) if len(pairs) else 0.0, size)


def gini(sizes: Floats) -> Floats:
    """Gini coefficient (k,) of rows (k, V) of sizes >= 0: 0 = all alike, near 1 = all in one; 0 where nothing moves."""
    ranked = np.sort(sizes, axis=1)
    count = sizes.shape[1]
    total = ranked.sum(axis=1)
    weighted = (ranked * (2 * np.arange(1, count + 1) - count - 1)).sum(axis=1)
    return np.asarray(np.divide(weighted, count * total, out=np.zeros_like(total), where=total > 0))
