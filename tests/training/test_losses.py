"""The contrasts against their definitions."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from training.losses import dynamic_identity_loss, same_face_pairs


def constant(*directions: int, steps: int = 3) -> Tensor:
    """Clips (B, T, 4) that stand at one axis each."""
    return torch.eye(4)[list(directions)][:, None].expand(-1, steps, -1)


def test_same_face_pairs_hold_what_they_say() -> None:
    driver, face = torch.tensor([0, 0, 1, 1]), torch.tensor([7, 8, 7, 8])
    anchors, positives, anchors_too, negatives = (part.tolist() for part in same_face_pairs(driver, face))
    assert set(zip(anchors, positives, strict=True)) == {(0, 1), (1, 0), (2, 3), (3, 2)}
    assert set(zip(anchors_too, negatives, strict=True)) == {(0, 2), (2, 0), (1, 3), (3, 1)}


def test_dynamic_identity_of_drivers_that_stand_apart() -> None:
    """Distances are 0 within a driver and 2 between them, 1 in the mean: s is 1 or e^-4, N = 1, Q = s, R = 2 s."""
    driver, face = torch.tensor([0, 0, 1, 1]), torch.tensor([7, 8, 7, 8])
    loss = dynamic_identity_loss(constant(0, 0, 1, 1), constant(2, 2, 3, 3), driver, face)
    assert float(loss) == pytest.approx(math.log(1 + 3 * math.exp(-4)), abs=1e-6)


def test_dynamic_identity_takes_the_nearest_time_and_no_clip_for_its_own_positive() -> None:
    """Clip 0 holds both axes; every step of clip 1 finds its equal there, but not the other way round."""
    driver, face = torch.tensor([0, 0]), torch.tensor([7, 8])
    both = torch.eye(4)[[0, 1]]
    alone = torch.eye(4)[[0, 0]]
    steps, shuffled = torch.stack([both, alone]), constant(2, 2, steps=2)
    mean = 2 * 6 / 16  # 6 of 16 pairs of steps stand on different axes
    far = math.exp(-2 / (0.5 * mean))
    terms = [math.log((1 + 2 * far) / 1)] * 3 + [math.log((far + 2 * far) / far)]
    assert float(dynamic_identity_loss(steps, shuffled, driver, face)) == pytest.approx(sum(terms) / 4, abs=1e-6)


def test_a_clip_without_positive_takes_no_part_as_an_anchor() -> None:
    driver, face = torch.tensor([0, 0, 1]), torch.tensor([7, 8, 9])
    steps = torch.nn.functional.normalize(torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0)), dim=2)
    loss = dynamic_identity_loss(steps, steps.flip(0), driver, face)
    assert bool(loss.isfinite())
