"""What is measured on templates: locality, movement, orthogonality."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.training.facial_codes.made_up_faces import CHANNELS, own_shifts
from training.facial_codes.templates import Movement, gini, orthogonality, template_figures


def test_gini_of_one_mover_of_all_alike_and_of_none() -> None:
    one = np.zeros((1, 100))
    one[0, 7] = 3
    assert gini(one)[0] == pytest.approx(0.99)
    assert gini(np.ones((1, 100)))[0] == pytest.approx(0)
    assert gini(np.zeros((1, 100)))[0] == 0
    half = np.concatenate([np.zeros(50), np.ones(50)])[None]
    assert gini(half)[0] == pytest.approx(0.5)


def test_orthogonality_is_the_squared_frobenius_norm_over_the_codes() -> None:
    torch.manual_seed(0)
    codes = torch.randn(9, 4) * 3
    rows = codes / codes.norm(dim=1, keepdim=True)
    wanted = (rows @ rows.T - torch.eye(9)).square().sum() / 9
    torch.testing.assert_close(orthogonality(codes), wanted)
    assert float(orthogonality(torch.eye(4) * 5)) == pytest.approx(0, abs=1e-6)


def test_sparsity_asks_for_few_places_and_not_for_little_movement() -> None:
    movement = Movement(own_shifts(), torch.randn(50, CHANNELS))
    local, wide = torch.eye(CHANNELS)[:1], torch.ones(1, CHANNELS)
    assert movement.sparsity(local) < movement.sparsity(wide)
    torch.testing.assert_close(movement.sparsity(local), movement.sparsity(7 * local))
    torch.testing.assert_close(movement.amount(7 * local), 7 * movement.amount(local))


def test_sparsity_of_a_template_that_moves_nothing_has_a_finite_gradient() -> None:
    movement = Movement(own_shifts(), torch.randn(50, CHANNELS))
    templates = torch.zeros(2, CHANNELS, requires_grad=True)
    torch.autograd.backward(movement.sparsity(templates))
    assert templates.grad is not None
    assert torch.isfinite(templates.grad).all()


def test_a_typical_frame_moves_one_and_errs_one_about_the_mean() -> None:
    torch.manual_seed(0)
    typical = torch.randn(400, CHANNELS)
    movement = Movement(own_shifts(), typical)
    assert float(movement.amount(typical)) == pytest.approx(1, rel=1e-5)
    assert float(movement.error(typical)) == pytest.approx(1, rel=1e-5)
    assert float(movement.error(0 * typical)) == 0


def test_figures_leave_unused_tokens_out() -> None:
    movement = Movement(own_shifts(), torch.randn(50, CHANNELS))
    templates = torch.cat([torch.eye(CHANNELS)[:2], torch.ones(1, CHANNELS)])
    found = template_figures(movement, templates, np.array([True, True, False]))
    assert found.cosine == pytest.approx(0)
    assert found.locality == pytest.approx(1 - 1 / CHANNELS)
