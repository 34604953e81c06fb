"""The live witness: how far, how fast and how together 17 signals move, projected to where drivers differ.

In closed form, as `training.discriminant` does for the engine: the logarithm of the signals' covariance, log deviations
of their differences over several steps, standardised, and Fisher's directions. All of it is one ONNX graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from training.discriminant import directions
from training.export import write_graph
from training.expression_dynamics.matrix_log import matrix_log
from training.expression_dynamics.recordings import Floats

STEPS = (1, 2, 4)
"""Rows apart, of differences: 80, 160 and 320 ms. Ours."""
_FLOOR = 1e-3
"""In distances of the eye corners: a fifth of the tracker's noise, so that a still channel is no outlier."""
_DIAGONAL = 1e-3
"""Share of the total variance that is added to each channel's own: it bounds what `matrix_log` has to invert."""
_SMALLEST = 1e-6
_AT_ONCE = 512
_LARGEST = 6.0
"""Standardised features are cut there: one odd number must not decide a window."""


class WitnessNetwork(nn.Module):
    """Windows (n, T, 17) of signals to embeddings (n, D), L2-normalised."""

    mean: Tensor
    deviation: Tensor
    directions: Tensor
    above: Tensor

    def __init__(self, channels: int, mean: Floats, deviation: Floats, found: Floats) -> None:
        super().__init__()
        self.register_buffer("above", upper_triangle(channels))
        self.register_buffer("mean", torch.from_numpy(mean))
        self.register_buffer("deviation", torch.from_numpy(deviation))
        self.register_buffer("directions", torch.from_numpy(found))

    def forward(self, windows: Tensor) -> Tensor:
        standard = ((moments(windows, self.above) - self.mean) / self.deviation).clamp(-_LARGEST, _LARGEST)
        return functional.normalize(standard @ self.directions, dim=1)


def moments(windows: Tensor, above: Tensor) -> Tensor:
    """Features (n, F) of windows (n, T, C). above: `upper_triangle(C)`."""
    channels = windows.shape[2]
    centred = windows - windows.mean(1, keepdim=True)
    covariance = centred.transpose(1, 2) @ centred / windows.shape[1]
    one = torch.eye(channels, dtype=windows.dtype)
    total = (covariance * one).sum((1, 2))[:, None, None]
    logarithm = matrix_log(covariance + (_DIAGONAL * total + _FLOOR**2) * one)
    speeds = [_log(((windows[:, step:] - windows[:, :-step]) ** 2).mean(1)) for step in STEPS]
    return torch.cat([logarithm.flatten(1)[:, above], *speeds], dim=1)


def upper_triangle(channels: int) -> Tensor:
    """Places int64 of a flattened (C, C), the diagonal included."""
    first, second = np.triu_indices(channels)
    return torch.from_numpy(first * channels + second)


def fit_witness(windows: Floats, driver: NDArray[np.int64], size: int) -> WitnessNetwork:
    """The discriminant of windows float32 (n, T, C) of drivers (n,), in `size` directions.

    Raises DataError for a single driver.
    """
    channels = windows.shape[2]
    parts = torch.split(torch.from_numpy(windows), _AT_ONCE)
    features = torch.cat([moments(part, upper_triangle(channels)) for part in parts]).double().numpy()
    mean, deviation = features.mean(axis=0), np.maximum(features.std(axis=0), _SMALLEST)
    standard = np.clip((features - mean) / deviation, -_LARGEST, _LARGEST)
    found = directions(standard, driver, size)
    return WitnessNetwork(
        channels, mean.astype(np.float32), deviation.astype(np.float32), found.astype(np.float32)
    ).eval()


@torch.no_grad()
def embed(network: nn.Module, windows: Sequence[Floats]) -> Floats:
    """Embeddings float32 (n, D) of windows (T, C) each."""
    found: Floats = network(torch.from_numpy(np.stack(windows))).numpy()
    return found


def as_onnx(network: nn.Module, frames: int, channels: int) -> bytes:
    """`windows` float32 (n, frames, channels) to `embeddings` float32 (n, D), n left open."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "embed.onnx"
        write_graph(network, path, {"windows": torch.zeros(2, frames, channels)}, ["embeddings"])
        return path.read_bytes()


def _log(variance: Tensor) -> Tensor:
    return (variance + _FLOOR**2).log() / 2
