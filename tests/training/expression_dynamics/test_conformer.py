"""The Conformer and the baselines beside it: shapes, what they know of time, and that they can learn."""

from __future__ import annotations

import pytest
import torch

from training.expression_dynamics.baselines import BiLstm, Tcn
from training.expression_dynamics.conformer import (
    AttentiveMoments,
    Conformer,
    ConformerConfig,
    RelativeAttention,
    distance_code,
    join_rows,
)

SMALL = ConformerConfig(channels=3, joined=2, width=16, blocks=2, heads=2, kernel=5, embedding_size=12)


@pytest.mark.parametrize("network", [Conformer(SMALL), BiLstm(3), Tcn(3)], ids=["conformer", "bilstm", "tcn"])
def test_embeddings_of_any_length_with_projections_of_length_one(network: torch.nn.Module) -> None:
    network.eval()
    sizes = set()
    for length in (24, 41):
        embedding, projected = network(torch.randn(2, length, 3))
        sizes.add(embedding.shape[1])
        torch.testing.assert_close(projected.norm(dim=1), torch.ones(2))
    assert len(sizes) == 1


def test_the_reference_size_is_that_of_the_reference() -> None:
    network = Conformer(ConformerConfig(channels=103))
    assert len(network.blocks) == 4
    embedding, projected = network.eval()(torch.zeros(1, 64, 103))
    assert embedding.shape == (1, 256)
    assert projected.shape == (1, 128)


def test_attention_knows_the_distance_of_rows_and_not_their_place() -> None:
    """A pattern moved along zero rows attends alike."""
    torch.manual_seed(0)
    attention = RelativeAttention(SMALL).eval()
    torch.nn.init.normal_(attention.distance_bias)
    rows = torch.zeros(1, 9, 16)
    rows[0, 2:4] = torch.randn(2, 16)
    turned = rows.clone()
    turned[0, 2], turned[0, 3] = rows[0, 3], rows[0, 2]
    assert not torch.allclose(attention(rows)[0, 2], attention(turned)[0, 3], atol=1e-5)
    code = distance_code(5, 8)
    assert code.shape == (9, 8)
    torch.testing.assert_close(code[4], torch.tensor([0.0] * 4 + [1.0] * 4))


def test_pooling_gives_mean_and_deviation_where_attention_is_even() -> None:
    rows = torch.randn(2, 400, 4) * torch.tensor([1.0, 2.0, 3.0, 4.0])
    plain, logarithm = AttentiveMoments(4, logarithm=False), AttentiveMoments(4, logarithm=True)
    for pool in (plain, logarithm):
        for value in pool.parameters():
            torch.nn.init.zeros_(value)
    deviation = rows.std(dim=1, correction=0)
    torch.testing.assert_close(plain(rows), torch.cat([rows.mean(dim=1), deviation], dim=1), atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(logarithm(rows)[:, 4:], deviation.log(), atol=1e-3, rtol=1e-3)


def test_rows_are_joined_in_order_and_the_rest_is_dropped() -> None:
    rows = torch.arange(14.0).reshape(1, 7, 2)
    torch.testing.assert_close(join_rows(rows, 3), torch.arange(12.0).reshape(1, 2, 6))
