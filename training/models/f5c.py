"""The F5C backbone of FEAT_DIFF (arXiv 2604.23247, as released): one luma frame to one 128x16x16 feature map.

Three parts: a convolution stack, a fully connected circular convolution (FCC) that lets every row and column see the
whole map, and a channel correspondence (CCC) that lets every position take over what the positions most like it know.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

FEATURE_CHANNELS = 128
MAP_SIZE = 16
"""Side of the feature map of a 128x128 frame."""

NEIGHBOURS = 4
"""Nodes whose maximum CCC takes, the node itself included."""

STEM_LAYERS = ((1, 8, 4, 2, 0), (8, 32, 3, 2, 0), (32, 64, 2, 2, 1), (64, FEATURE_CHANNELS, 1, 1, 0))
"""Inputs, outputs, kernel, stride and padding of the stem's four convolutions."""

Axis = Literal["height", "width"]


class ConvStack(nn.Module):
    """Four convolutions with BatchNorm and ReLU: (n, 1, 128, 128) normalised luma to (n, 128, 16, 16)."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs, kernel, stride, padding in STEM_LAYERS:
            convolution = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=padding)
            # Channels last: two to three times faster on CPUs, and what GPUs want too.
            convolution.weight.data = convolution.weight.data.contiguous(memory_format=torch.channels_last)
            layers += [convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
        self.net = nn.Sequential(*layers)

    def forward(self, luma: Tensor) -> Tensor:
        maps: Tensor = self.net(luma)
        return maps


class CircularBranch(nn.Module):
    """One half of FCC: position, BatchNorm, circular convolution along one axis, then along the other, residual.

    taps: length of the stored kernels and positions. The published network stores 32 and uses the first 16 of them;
    the streaming network stores what it uses.
    """

    _circulant_index: Tensor

    def __init__(self, channels: int, first_axis: Axis, taps: int = MAP_SIZE) -> None:
        super().__init__()
        self.first_axis: Axis = first_axis
        self.second_axis: Axis = "width" if first_axis == "height" else "height"
        self.norm = nn.BatchNorm2d(channels)
        self.first_position = nn.Parameter(torch.randn(channels, taps))
        self.second_position = nn.Parameter(torch.randn(channels, taps))
        self.first_bias = nn.Parameter(torch.randn(channels))
        self.second_bias = nn.Parameter(torch.randn(channels))
        # Conv2d's default for a fan-in of 32 (2.3), kept whatever is stored, so that both networks start alike.
        self.first_kernel = nn.Parameter(torch.empty(channels, taps).uniform_(-(32**-0.5), 32**-0.5))
        self.second_kernel = nn.Parameter(torch.empty(channels, taps).uniform_(-(32**-0.5), 32**-0.5))
        steps = torch.arange(MAP_SIZE)
        self.register_buffer("_circulant_index", (steps[None, :] - steps[:, None]) % MAP_SIZE, persistent=False)

    def forward(self, half: Tensor) -> Tensor:
        """(n, channels, 16, 16) to the same shape."""
        mixed = self.norm(half + _along(self.first_position, self.first_axis))
        mixed = self._circular(mixed, self.first_kernel, self.first_axis) + self.first_bias[:, None, None]
        mixed = mixed + _along(self.second_position, self.second_axis)
        mixed = self._circular(mixed, self.second_kernel, self.second_axis) + self.second_bias[:, None, None]
        return half + mixed

    def circulant(self, kernel: Tensor) -> Tensor:
        """The convolution as one matrix per channel: (channels, 16, 16) with `[i, j] = kernel[(j - i) mod 16]`."""
        return kernel[:, self._circulant_index]

    def _circular(self, maps: Tensor, kernel: Tensor, axis: Axis) -> Tensor:
        equation = "cij,ncjw->nciw" if axis == "height" else "cij,nchj->nchi"
        return torch.einsum(equation, self.circulant(kernel), maps)


def _along(position: Tensor, axis: Axis) -> Tensor:
    """The first 16 values of (channels, taps), laid along one axis of a map and constant over the other."""
    used = position[:, :MAP_SIZE]
    return used[:, :, None] if axis == "height" else used[:, None, :]


class FullyConnectedCircular(nn.Module):
    """FCC: the first half of the channels goes along the height first, the second half along the width first."""

    def __init__(self, taps: int = MAP_SIZE) -> None:
        super().__init__()
        half = FEATURE_CHANNELS // 2
        self.height_first = CircularBranch(half, "height", taps)
        self.width_first = CircularBranch(half, "width", taps)

    def forward(self, maps: Tensor) -> Tensor:
        """(n, 128, 16, 16) to the same shape."""
        # The stem leaves channels last, in which products along rows and columns are slow.
        first, second = maps.contiguous().chunk(2, dim=1)
        return torch.cat([self.height_first(first), self.width_first(second)], dim=1)


def channel_correspondence(maps: Tensor) -> Tensor:
    """CCC in its cheapest form (2.4): `f + relu(max of f over the 4 nearest nodes)`, nearest by cosine.

    maps: (n, channels, height, width), any float type. Returns float32 of the same shape: half precision flips
    neighbours and would drown the differences of consecutive maps. Which nodes are nearest is
    not differentiated, as published. A node is its own nearest neighbour, so only the other three are searched; and
    only the column's norm matters for the order within a row.
    """
    with torch.autocast(maps.device.type, enabled=False):
        nodes = maps.float().flatten(2).transpose(1, 2).contiguous()
        rows = nodes.flatten(0, 1)
        strongest = rows
        for neighbour in nearest_others(nodes.detach()):
            # Rows are looked up as in an embedding table, whose backward pass adds whole rows: much faster on a CPU
            # than that of a plain selection.
            strongest = torch.maximum(strongest, nn.functional.embedding(neighbour, rows))
        out = nodes + torch.relu(strongest).reshape(nodes.shape)
        return out.transpose(1, 2).reshape(maps.shape)


@torch.no_grad()
def nearest_others(nodes: Tensor) -> tuple[Tensor, ...]:
    """The nodes nearest by cosine in the same map, the node itself left out.

    nodes: (n, 256, c). Returns three times int64 (n * 256,), nearest first: rows of `nodes.flatten(0, 1)`.
    """
    count, size = nodes.shape[:2]
    similarity = nodes @ nn.functional.normalize(nodes, dim=2).transpose(1, 2)
    similarity.diagonal(dim1=1, dim2=2).fill_(-torch.inf)
    nearest = similarity.topk(NEIGHBOURS - 1, dim=2).indices
    nearest = nearest + torch.arange(count, device=nodes.device)[:, None, None] * size
    return nearest.flatten(0, 1).unbind(1)


class F5C(nn.Module):
    """The whole backbone, shared by every frame: (n, 1, 128, 128) normalised luma to float32 (n, 128, 16, 16).

    Always in single precision, under autocast too. Differences of consecutive maps are some hundred times smaller than
    the maps: rounding the maps to bf16 leaves differences whose error is as large as they are (measured).

    correspondence: CCC, as published or in another form; maps (n, 128, 16, 16) to float32 of the same shape.
    """

    def __init__(
        self, taps: int = MAP_SIZE, correspondence: Callable[[Tensor], Tensor] = channel_correspondence
    ) -> None:
        super().__init__()
        self.conv_stack = ConvStack()
        self.fcc = FullyConnectedCircular(taps)
        self._correspondence = correspondence

    def forward(self, luma: Tensor) -> Tensor:
        with torch.autocast(luma.device.type, enabled=False):
            return self._correspondence(self.fcc(self.conv_stack(luma.float())))
