"""Matrix logarithm by products alone, so that an ONNX graph can hold it: there is no eigenvalue operator."""

from __future__ import annotations

import torch
from torch import Tensor

_ROOT_STEPS = (14, 10, 8, 6)
"""Newton-Schulz steps of the square roots in turn: enough in float32 for eigenvalues down to a thousandth of the trace,
which each root brings nearer to 1."""
_TERMS = 10


def matrix_log(matrices: Tensor) -> Tensor:
    """Of symmetric positive matrices (n, k, k), no eigenvalue below a thousandth of the trace: (n, k, k).

    Inverse scaling and squaring: log A = 2^r log A^(1/2^r), the roots by the coupled Newton-Schulz iteration, the
    logarithm by its series about 1 (Higham, Functions of Matrices, 2008, 6.7 and 11.5).
    """
    size = matrices.shape[1]
    one = torch.eye(size, dtype=matrices.dtype, device=matrices.device)
    trace = (matrices * one).sum((1, 2))[:, None, None]
    root = matrices / trace
    for steps in _ROOT_STEPS:
        root = _square_root(root, one, steps)
    rest = one - root
    power, series = rest, rest
    for term in range(2, _TERMS + 1):
        power = power @ rest
        series = series + power / term
    logarithm: Tensor = trace.log() * one - 2 ** len(_ROOT_STEPS) * series
    return logarithm


def _square_root(matrices: Tensor, one: Tensor, steps: int) -> Tensor:
    """Of matrices with eigenvalues in (0, 1]."""
    root, inverse = matrices, one.expand_as(matrices)
    for _ in range(steps):
        turn = (3 * one - inverse @ root) / 2
        root, inverse = root @ turn, turn @ inverse
    return root
