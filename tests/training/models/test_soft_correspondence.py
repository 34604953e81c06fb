"""CCC with smooth weights, against its definition and where the published choice jumps."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from training.models.f5c import channel_correspondence
from training.models.soft_correspondence import TEMPERATURE, soft_correspondence

torch.set_num_threads(1)


def by_definition(maps: Tensor) -> Tensor:
    """Node by node."""
    out = torch.empty_like(maps)
    for image, result in zip(maps, out, strict=True):
        nodes = image.flatten(1).T
        for place, node in enumerate(nodes):
            weights = [math.exp(float(torch.cosine_similarity(node, other, dim=0)) / TEMPERATURE) for other in nodes]
            mean = sum(weight * other for weight, other in zip(weights, nodes, strict=True)) / sum(weights)
            result.view(len(node), -1)[:, place] = node + torch.relu(torch.as_tensor(mean))
    return out


def test_it_follows_its_definition() -> None:
    torch.manual_seed(0)
    maps = torch.randn(2, 6, 4, 5)
    torch.testing.assert_close(soft_correspondence(maps), by_definition(maps), atol=1e-5, rtol=1e-5)


def test_nodes_unlike_all_others_take_over_themselves_alone() -> None:
    maps = torch.eye(16).reshape(1, 16, 4, 4) * 3
    torch.testing.assert_close(soft_correspondence(maps), 2 * maps, atol=1e-5, rtol=0)


def test_a_breath_of_noise_moves_it_no_further_than_the_noise_where_the_published_choice_jumps() -> None:
    torch.manual_seed(1)
    maps = torch.randn(4, 32, 1, 1) + 0.5 * torch.randn(4, 32, 16, 16)
    moved = maps + 1e-3 * torch.randn_like(maps)
    noise = (moved - maps).norm()
    assert (soft_correspondence(moved) - soft_correspondence(maps)).norm() < 1.5 * noise
    assert (channel_correspondence(moved) - channel_correspondence(maps)).norm() > 10 * noise


def test_how_alike_nodes_are_is_not_differentiated() -> None:
    torch.manual_seed(2)
    maps = torch.randn(1, 5, 4, 4, requires_grad=True)
    nodes = maps.detach().flatten(2).transpose(1, 2)
    unit = torch.nn.functional.normalize(nodes, dim=2)
    weight = torch.softmax(unit @ unit.transpose(1, 2) / TEMPERATURE, dim=2)
    toward = torch.randn(1, 16, 5)
    (own,) = torch.autograd.grad((soft_correspondence(maps).flatten(2).transpose(1, 2) * toward).sum(), maps)
    positive = (weight @ nodes > 0).float()
    expected = toward + weight.transpose(1, 2) @ (toward * positive)
    torch.testing.assert_close(own.flatten(2).transpose(1, 2), expected, atol=1e-5, rtol=1e-5)
