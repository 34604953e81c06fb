"""Muon against closed forms, and beside it AdamW as it always was."""

from __future__ import annotations

import torch
from torch import nn

from training.muon import Muon, orthogonal


def test_all_singular_values_become_about_one() -> None:
    torch.manual_seed(0)
    left, _ = torch.linalg.qr(torch.randn(12, 12))
    right, _ = torch.linalg.qr(torch.randn(18, 18))
    values = torch.logspace(-1.5, 0, 12)
    weight = (left @ torch.diag(values) @ right[:12]).reshape(12, 2, 3, 3)
    found = torch.linalg.svdvals(orthogonal(weight).flatten(1))
    assert found.min() > 0.6
    assert found.max() < 1.3


def test_directions_are_kept() -> None:
    torch.manual_seed(1)
    left, _ = torch.linalg.qr(torch.randn(4, 4))
    right, _ = torch.linalg.qr(torch.randn(9, 9))
    polar = left @ right[:4]
    weight = left @ torch.diag(torch.tensor([1.0, 0.8, 0.6, 0.5])) @ right[:4]
    found = orthogonal(weight.reshape(4, 1, 3, 3)).flatten(1)
    assert torch.trace(found @ polar.T) / found.norm() / polar.norm() > 0.95


def test_tall_matrices_take_longer_steps() -> None:
    torch.manual_seed(2)
    values = torch.linalg.svdvals(orthogonal(torch.randn(64, 1, 4, 4)).flatten(1))
    assert 0.6 * 2 < values.min() < values.max() < 1.3 * 2


def test_only_convolutions_take_orthogonal_steps_the_rest_goes_as_with_adamw() -> None:
    torch.manual_seed(3)
    convolution = nn.Parameter(torch.zeros(8, 2, 3, 3))
    linear, plain = nn.Parameter(torch.ones(5, 4)), nn.Parameter(torch.ones(5, 4))
    own = Muon([convolution, linear], lr=1e-2, weight_decay=0.1)
    published = torch.optim.AdamW([plain], lr=1e-2, weight_decay=0.1)
    for _ in range(3):
        gradient = torch.randn(5, 4)
        linear.grad, plain.grad = gradient.clone(), gradient.clone()
        convolution.grad = torch.randn(8, 2, 3, 3)
        own.step()
        published.step()
    torch.testing.assert_close(linear, plain, rtol=0, atol=0)
    step = torch.linalg.svdvals(convolution.detach().flatten(1))
    assert 0.05 < step.max() < 3 * 1.3 * 10 * 1e-2


def test_steps_go_down_the_running_mean_of_gradients_and_values_decay() -> None:
    """Two steps by hand: Nesterov's mean with 0.95, steps of 10 rates, a decay of 1 % of them."""
    torch.manual_seed(4)
    value = nn.Parameter(torch.randn(4, 2, 3, 3))
    first, second = torch.randn(2, 4, 2, 3, 3)
    wanted = value.detach().clone()
    own = Muon([value], lr=1e-2, weight_decay=0.0)
    for gradient in (first, second):
        value.grad = gradient.clone()
        own.step()
    mean = 0.05 * first
    wanted = 0.999 * wanted - 0.1 * orthogonal(0.05 * first + 0.95 * mean)
    mean = 0.95 * mean + 0.05 * second
    wanted = 0.999 * wanted - 0.1 * orthogonal(0.05 * second + 0.95 * mean)
    torch.testing.assert_close(value.detach(), wanted)


def test_a_run_goes_on_from_its_saved_state_as_if_never_stopped() -> None:
    def steps(optimizer: Muon, value: nn.Parameter, seeds: range) -> None:
        for seed in seeds:
            value.grad = torch.randn(value.shape, generator=torch.Generator().manual_seed(seed))
            optimizer.step()

    whole = nn.Parameter(torch.zeros(4, 2, 3, 3))
    steps(Muon([whole], lr=1e-2, weight_decay=0.0), whole, range(4))

    value = nn.Parameter(torch.zeros(4, 2, 3, 3))
    first = Muon([value], lr=1e-2, weight_decay=0.0)
    steps(first, value, range(2))
    resumed = Muon([value], lr=1e-2, weight_decay=0.0)
    resumed.load_state_dict(first.state_dict())
    steps(resumed, value, range(2, 4))
    torch.testing.assert_close(value, whole, rtol=0, atol=0)
