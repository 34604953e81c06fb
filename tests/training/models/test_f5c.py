"""FCC and CCC against their definitions, written out slowly."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from training.models.f5c import Axis, CircularBranch, channel_correspondence

torch.set_num_threads(1)


def circular_by_definition(maps: Tensor, kernel: Tensor, axis: Axis) -> Tensor:
    """`out[n] = sum over k of kernel[k] * x[(n + k) mod 16]`, per channel, along one axis."""
    dim = 2 if axis == "height" else 3
    parts = [kernel[None, :, k, None, None] * torch.roll(maps, -k, dims=dim) for k in range(16)]
    return torch.stack(parts).sum(0)


@pytest.mark.parametrize("first_axis", ["height", "width"])
@pytest.mark.parametrize("taps", [16, 32])
def test_branch_follows_its_definition(first_axis: Axis, taps: int) -> None:
    torch.manual_seed(1)
    branch = CircularBranch(6, first_axis, taps).eval()
    assert branch.norm.running_mean is not None
    branch.norm.running_mean.normal_()
    maps = torch.randn(2, 6, 16, 16)

    def lay(position: Tensor, axis: Axis) -> Tensor:
        used = position[None, :, :16]
        return used[..., None].expand(-1, -1, -1, 16) if axis == "height" else used[:, :, None].expand(-1, -1, 16, -1)

    second_axis: Axis = "width" if first_axis == "height" else "height"
    with torch.no_grad():
        step = branch.norm(maps + lay(branch.first_position, first_axis))
        step = circular_by_definition(step, branch.first_kernel, first_axis) + branch.first_bias[None, :, None, None]
        step = step + lay(branch.second_position, second_axis)
        step = circular_by_definition(step, branch.second_kernel, second_axis) + branch.second_bias[None, :, None, None]
        torch.testing.assert_close(branch(maps), maps + step, atol=1e-5, rtol=1e-5)


def correspondence_by_definition(maps: Tensor) -> Tensor:
    """As published: edges to the 4 nearest by cosine, maximum over the edges, plus self, ReLU, plus the input."""
    nodes = maps.flatten(2).transpose(1, 2)
    unit = torch.nn.functional.normalize(nodes, dim=2)
    nearest = (unit @ unit.transpose(1, 2)).topk(4, dim=2).indices
    neighbours = torch.stack([nodes[clip][nearest[clip]] for clip in range(len(nodes))])
    edges = neighbours - nodes[:, :, None]
    return (nodes + torch.relu(edges.amax(2) + nodes)).transpose(1, 2).reshape(maps.shape)


def test_correspondence_follows_its_definition() -> None:
    torch.manual_seed(2)
    maps = torch.randn(3, 20, 16, 16)
    torch.testing.assert_close(channel_correspondence(maps), correspondence_by_definition(maps), atol=1e-5, rtol=1e-5)


def test_correspondence_has_the_gradient_of_its_definition() -> None:
    torch.manual_seed(3)
    maps = torch.randn(2, 12, 16, 16, requires_grad=True)
    weight = torch.randn(2, 12, 16, 16)
    (own,) = torch.autograd.grad((channel_correspondence(maps) * weight).sum(), maps)
    (published,) = torch.autograd.grad((correspondence_by_definition(maps) * weight).sum(), maps)
    torch.testing.assert_close(own, published, atol=1e-4, rtol=1e-4)


def test_correspondence_stays_in_single_precision_under_autocast() -> None:
    torch.manual_seed(4)
    maps = torch.randn(2, 12, 16, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = channel_correspondence(maps)
    torch.testing.assert_close(out, channel_correspondence(maps), atol=0, rtol=0)
