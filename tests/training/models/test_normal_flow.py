"""Maps divided by their gradient: their differences are speeds, whatever moves."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from training.models.normal_flow import GRADIENT_FLOOR, per_gradient


def ramp(steepness: float, shift: float) -> Tensor:
    """One channel that rises along the width by `steepness` a place, moved by `shift` places."""
    return (steepness * (torch.arange(16.0) - shift)).expand(1, 1, 16, 16)


@pytest.mark.parametrize("steepness", [2.0, 8.0, 50.0])
def test_a_moved_ramp_changes_by_its_shift_however_steep_it_is(steepness: float) -> None:
    change = per_gradient(ramp(steepness, 0.25)) - per_gradient(ramp(steepness, 0))
    inside = change[..., 2:-2, 2:-2]
    torch.testing.assert_close(inside, torch.full_like(inside, -0.25), rtol=0.01, atol=0)


def test_it_follows_its_definition() -> None:
    torch.manual_seed(0)
    maps = torch.randn(1, 3, 4, 5)
    energy = torch.zeros(4, 5)
    for row in range(4):
        for column in range(5):
            right = maps[0, :, row, column + 1] - maps[0, :, row, column] if column < 4 else torch.zeros(3)
            down = maps[0, :, row + 1, column] - maps[0, :, row, column] if row < 3 else torch.zeros(3)
            energy[row, column] = right.square().mean() + down.square().mean()
    expected = torch.empty_like(maps)
    for row in range(4):
        for column in range(5):
            around = energy[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2].mean()
            expected[0, :, row, column] = maps[0, :, row, column] / (around + GRADIENT_FLOOR).sqrt()
    torch.testing.assert_close(per_gradient(maps), expected)


def test_a_flat_map_is_only_scaled() -> None:
    maps = torch.full((1, 2, 16, 16), 3.0)
    torch.testing.assert_close(per_gradient(maps), maps / GRADIENT_FLOOR**0.5)
