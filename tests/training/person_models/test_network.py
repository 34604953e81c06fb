"""The published sizes, the parts by their definitions, and what a pair of faces becomes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.training.person_models.made_up_people import TINY
from training.person_models.encoder import ExpressionEncoder
from training.person_models.flow import FlowDecoder, inverse, warped
from training.person_models.generator import FaceGenerator
from training.person_models.layers import ChannelAttention
from training.person_models.network import PersonModel, PersonModelConfig


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def faces(count: int = 4) -> torch.Tensor:
    return torch.randn(count, 1, 64, 64, generator=torch.Generator().manual_seed(0))


def test_the_parts_have_the_published_sizes_at_width_1() -> None:
    assert parameters(ExpressionEncoder(3, 1)) == 4_240_000
    assert parameters(FlowDecoder(1)) == 2_996_544
    generator = FaceGenerator(3, 1)
    assert parameters(generator) == 13_409_475
    assert parameters(generator.stem) == 555_328


def test_luma_changes_the_first_and_the_last_layer_alone() -> None:
    assert parameters(ExpressionEncoder(3, 1)) - parameters(ExpressionEncoder(1, 1)) == 2 * 49 * 64
    generators = [FaceGenerator(channels, 1) for channels in (3, 1)]
    assert parameters(generators[0]) - parameters(generators[1]) == 2 * 9 * 64 + 2 * (9 * 128 + 1)


def test_embeddings_and_flows_are_bounded_and_scale_with_the_width() -> None:
    with torch.no_grad():
        embedding = ExpressionEncoder(1, 0.25)(100 * faces())
        flow = FlowDecoder(0.25)(embedding)
    assert embedding.shape == (4, 64)
    assert flow.shape == (4, 2, 16, 16)
    assert float(embedding.abs().max()) <= 1
    assert float(flow.abs().max()) <= 1


def test_attention_follows_its_definition() -> None:
    torch.manual_seed(1)
    layer, maps = ChannelAttention(6), torch.randn(1, 6, 3, 5)
    with torch.no_grad():
        out = layer(maps)
        x, theta, phi, g = (
            part[0].reshape(6, 15) for part in (maps, layer.theta(maps), layer.phi(maps), layer.g(maps))
        )
        weights = torch.exp(theta) / torch.exp(theta).sum(dim=1, keepdim=True)
        mixed = x + (phi @ weights.T) @ (torch.exp(g) / torch.exp(g).sum(dim=0, keepdim=True))
        torch.testing.assert_close(out[0].reshape(6, 15), torch.where(mixed > 0, mixed, 0.1 * mixed))


def test_no_flow_leaves_a_picture_and_a_whole_pixel_of_flow_moves_it_by_one() -> None:
    picture = faces(1)
    torch.testing.assert_close(warped(picture, torch.zeros(1, 2, 16, 16)), picture, atol=1e-5, rtol=0)
    right = torch.zeros(1, 2, 64, 64)
    right[:, 0] = 2 / 64
    moved = warped(picture, right)
    torch.testing.assert_close(moved[..., :-1], picture[..., 1:], atol=1e-4, rtol=0)
    torch.testing.assert_close(moved[..., -1], picture[..., -1], atol=1e-4, rtol=0)  # edges repeat


def test_the_inverse_of_an_even_flow_brings_back_what_it_moved() -> None:
    flow = torch.full((1, 2, 16, 16), 4 / 64)
    torch.testing.assert_close(inverse(flow), -flow)
    picture = faces(1)
    back = warped(warped(picture, flow), inverse(flow))
    torch.testing.assert_close(back[..., 4:-4, 4:-4], picture[..., 4:-4, 4:-4], atol=1e-4, rtol=0)


def test_a_flow_beyond_the_picture_is_held_before_it_is_turned_round() -> None:
    flow = torch.full((1, 2, 16, 16), 1.0)
    flow[:, :, -1] = 3.0
    assert float(inverse(flow).abs().max()) == 1


def test_a_pair_is_redrawn_from_the_others_neutral_face() -> None:
    torch.manual_seed(2)
    model, both = PersonModel(TINY).eval(), faces()
    with torch.no_grad():
        drawn = model.redraw(both)
        assert {part.shape for part in drawn} == {(4, 1, 64, 64)}
        flow = model.to_flow(model.encoder(both))
        exchanged = drawn.neutral[[2, 3, 0, 1]]
        torch.testing.assert_close(drawn.swapped, model.generator(exchanged, inverse(flow)))
        torch.testing.assert_close(drawn.warped_swapped, warped(exchanged, inverse(flow)))
        torch.testing.assert_close(drawn.pixel_swapped, warped(warped(both, flow)[[2, 3, 0, 1]], inverse(flow)))
        torch.testing.assert_close(drawn.itself, model.generator(both))
        torch.testing.assert_close(model.swapped(both), drawn.swapped)


def test_noise_is_drawn_in_training_alone() -> None:
    torch.manual_seed(3)
    generator, flow = FaceGenerator(1, 0.05, 1), torch.zeros(2, 2, 16, 16)
    with torch.no_grad():
        assert not torch.equal(generator.train()(faces(2), flow), generator(faces(2), flow))
        torch.testing.assert_close(generator.eval()(faces(2), flow), generator(faces(2), flow), rtol=0, atol=0)


@pytest.mark.parametrize("values", [{"width": 0}, {"width": 1.5}, {"channels": 0}, {"pixel_std": 0}])
def test_shapes_that_there_are_not_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="width"):
        PersonModelConfig(**values)  # type: ignore[arg-type]
