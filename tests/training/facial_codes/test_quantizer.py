"""Residual quantisation: the next stage codes what one leaves; codes follow what chooses them."""

from __future__ import annotations

import pytest
import torch

from training.facial_codes.quantizer import DECAY, ResidualQuantizer, nearest


def _quantizer(codes: list[list[float]], stages: int) -> ResidualQuantizer:
    made = ResidualQuantizer(len(codes), len(codes[0]), stages)
    with torch.no_grad():
        made.codes.copy_(torch.tensor(codes))
        made.uses.fill_(1.0)
        made.started.fill_(True)
    return made


def test_the_sum_of_chosen_codes_is_what_comes_out() -> None:
    quantizer = _quantizer([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [0.25, 0.0]], 3)
    found = quantizer(torch.tensor([[1.3, 1.0], [0.2, 0.05]]))
    assert found.tokens.tolist() == [[0, 1, 3], [3, 2, 2]]
    torch.testing.assert_close(found.latent, quantizer.codes[found.tokens].sum(dim=1).detach())
    torch.testing.assert_close(found.residuals[0], torch.tensor([[1.3, 1.0], [0.3, 1.0], [0.3, 0.0]]))


def test_every_further_stage_leaves_no_more_where_a_code_is_zero() -> None:
    torch.manual_seed(0)
    rows, codes = torch.randn(200, 4), torch.randn(16, 4)
    codes[0] = 0
    quantizer = _quantizer(codes.tolist(), 5)
    sums = quantizer.codes.detach()[quantizer(rows).tokens].cumsum(dim=1)
    left = (rows.unsqueeze(1) - sums).square().sum(dim=2)
    assert (left[:, 1:] <= left[:, :-1] + 1e-6).all()


def test_dropout_leaves_stages_out_row_by_row() -> None:
    quantizer = _quantizer([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], 2)
    rows = torch.tensor([[1.0, 1.0], [1.0, 1.0]])
    found = quantizer(rows, torch.tensor([1, 2]))
    assert found.active.tolist() == [[True, False], [True, True]]
    torch.testing.assert_close(found.latent, torch.tensor([[1.0, 0.0], [1.0, 1.0]]))
    assert float(found.commitment) == pytest.approx((0.5 + 0.5 + 0.0) / 3)


def test_gradients_pass_straight_through_and_never_reach_the_codes() -> None:
    quantizer = _quantizer([[1.0, 0.0], [0.0, 1.0]], 1)
    rows = torch.tensor([[0.9, 0.2]], requires_grad=True)
    (quantizer(rows).latent * torch.tensor([3.0, 5.0])).sum().backward()
    assert rows.grad is not None
    torch.testing.assert_close(rows.grad, torch.tensor([[3.0, 5.0]]))
    assert quantizer.codes.grad is None


def test_following_is_the_exponential_average_of_sums_and_counts() -> None:
    """van den Oord et al. (2017): N <- d N + (1-d) n, m <- d m + (1-d) sum of rows, code = m / N."""
    quantizer = _quantizer([[1.0, 0.0], [0.0, 1.0]], 1)
    with torch.no_grad():
        quantizer.uses.copy_(torch.tensor([4.0, 2.0]))
    rows = torch.tensor([[0.9, 0.3], [1.2, 0.1], [0.1, 0.8]])
    sums = quantizer.codes.detach() * quantizer.uses.unsqueeze(1)
    quantizer.follow(quantizer(rows), torch.Generator().manual_seed(0))
    uses = DECAY * torch.tensor([4.0, 2.0]) + (1 - DECAY) * torch.tensor([2.0, 1.0])
    wanted = DECAY * sums + (1 - DECAY) * torch.stack([rows[0] + rows[1], rows[2]])
    torch.testing.assert_close(quantizer.uses, uses)
    torch.testing.assert_close(quantizer.codes.detach(), wanted / uses.unsqueeze(1))


def test_a_dead_code_is_set_anew_on_a_residual() -> None:
    quantizer = _quantizer([[1.0, 0.0], [50.0, 50.0]], 1)
    with torch.no_grad():
        quantizer.uses.copy_(torch.tensor([4.0, 0.001]))
    rows = torch.tensor([[1.0, 0.5], [0.5, 0.0]])
    assert quantizer.follow(quantizer(rows), torch.Generator().manual_seed(0)) == 1
    assert quantizer.codes[1].tolist() in rows.tolist()
    assert quantizer.follow(quantizer(rows), torch.Generator().manual_seed(0)) == 0


def test_the_first_batch_fills_the_codebook() -> None:
    quantizer = ResidualQuantizer(8, 2, 1)
    rows = torch.rand(32, 2) + 5
    assert quantizer.follow(quantizer(rows), torch.Generator().manual_seed(0)) == 0
    assert (quantizer.codes > 4.9).all()


def test_nearest_is_by_distance() -> None:
    torch.manual_seed(1)
    rows, codes = torch.randn(50, 3), torch.randn(7, 3)
    assert torch.equal(nearest(rows, codes), torch.cdist(rows, codes).argmin(dim=1))
