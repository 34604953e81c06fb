"""The streaming network cut into what an engine runs per frame, in its cheapest exact form.

Three pieces: the backbone of one frame, the head of one new position, and the embedding of a window's moments. Batch
normalisation and pixel normalisation are folded into the convolutions, and FCC, which is affine, becomes two matrix
products and a constant map. Tensors named here are float32; `n` is the number of streams of one call.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from training.models.f5c import (
    FEATURE_CHANNELS,
    MAP_SIZE,
    CircularBranch,
    ConvStack,
    FullyConnectedCircular,
)
from training.models.normal_flow import per_gradient
from training.models.soft_correspondence import soft_correspondence
from training.models.streaming import StreamingFeatDiff, pool_slices


@dataclass(frozen=True, slots=True)
class StepGraphs:
    """The pieces of one engine, in evaluation mode, with weights of their own."""

    backbone: BackboneStep
    head: HeadStep
    embedding: EmbeddingStep


def step_graphs(model: StreamingFeatDiff) -> StepGraphs:
    """Cut and fold a trained model, on the CPU; the model itself is left as it is."""
    own = copy.deepcopy(model).cpu().eval()
    with torch.no_grad():
        graphs = StepGraphs(BackboneStep(own), HeadStep(own), EmbeddingStep(own))
    for graph in (graphs.backbone, graphs.head, graphs.embedding):
        graph.eval().requires_grad_(False)
    return graphs


class BackboneStep(nn.Module):
    """frames uint8 (n, 128, 128) to maps (n, 128, 16, 16)."""

    height_mix: Tensor
    width_mix: Tensor
    constant: Tensor

    def __init__(self, model: StreamingFeatDiff) -> None:
        super().__init__()
        self.stem = _fold_stem(model.backbone.conv_stack, model.config.pixel_mean, model.config.pixel_std)
        height, width, constant = _fold_fcc(model.backbone.fcc)
        self.register_buffer("height_mix", height)
        self.register_buffer("width_mix", width)
        self.register_buffer("constant", constant)

    def forward(self, frames: Tensor) -> Tensor:
        maps = self.stem(frames[:, None].to(torch.float32))
        maps = maps + torch.matmul(torch.matmul(self.height_mix, maps), self.width_mix) + self.constant
        return per_gradient(soft_correspondence(maps))


class HeadStep(nn.Module):
    """One new position from the 3 newest differences and the 2 slices before it.

    differences (n, 3, 128, 16, 16) and earlier slices (n, 2, 64, 16, 8), oldest first, to the new slice (n, 64, 16, 8)
    and the position's pooled vector (n, 512).
    """

    def __init__(self, model: StreamingFeatDiff) -> None:
        super().__init__()
        self.each = fuse_conv_bn_eval(model.each.conv, model.each.norm)
        self.first = fuse_conv_bn_eval(model.first.conv, model.first.norm)
        self.first_again = fuse_conv_bn_eval(model.first_again.conv, model.first_again.norm)
        self.second = fuse_conv_bn_eval(model.second.conv, model.second.norm)
        self.second_again = fuse_conv_bn_eval(model.second_again.conv, model.second_again.norm)

    def forward(self, differences: Tensor, earlier_slices: Tensor) -> tuple[Tensor, Tensor]:
        every = differences.flatten(0, 1)
        every = every + torch.relu(self.each(every))
        newest = torch.relu(self.first(every.reshape(differences.shape).flatten(1, 2)))
        newest = newest + torch.relu(self.first_again(newest))
        values = torch.relu(self.second(torch.cat([earlier_slices.flatten(1, 2), newest], dim=1)))
        return newest, pool_slices(values + torch.relu(self.second_again(values)))


class EmbeddingStep(nn.Module):
    """Mean and variance of a window's positions (n, 1536) to the L2-normalised embedding (n, D)."""

    def __init__(self, model: StreamingFeatDiff) -> None:
        super().__init__()
        self.layers = model.embedding

    def forward(self, moments: Tensor) -> Tensor:
        out = self.layers.project(moments)
        return out / out.square().sum(1, keepdim=True).sqrt().clamp(min=1e-12)


def _fold_stem(stack: ConvStack, pixel_mean: float, pixel_std: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    for start in range(0, len(stack.net), 3):
        convolution, norm = cast(nn.Conv2d, stack.net[start]), cast(nn.BatchNorm2d, stack.net[start + 1])
        layers += [fuse_conv_bn_eval(convolution, norm), nn.ReLU()]
    first = cast(nn.Conv2d, layers[0])
    # Exact because this convolution does not pad: every output sees the pixel shift in all of its 16 taps.
    shift = first.weight.sum(dim=(1, 2, 3)) * pixel_mean / pixel_std
    first.bias = nn.Parameter(_bias(first) - shift)
    first.weight = nn.Parameter(first.weight / (255 * pixel_std))
    return nn.Sequential(*layers)


def _fold_fcc(fcc: FullyConnectedCircular) -> tuple[Tensor, Tensor, Tensor]:
    """FCC as `x + H x W + B`: matrices (128, 16, 16) for the height and (transposed) the width, and its value at 0."""
    first, second = fcc.height_first, fcc.width_first
    scaled, plain = _scaled_circulant(first), first.circulant(first.second_kernel)
    height = torch.cat([scaled, second.circulant(second.second_kernel)])
    width = torch.cat([plain, _scaled_circulant(second)])
    constant: Tensor = fcc(torch.zeros(1, FEATURE_CHANNELS, MAP_SIZE, MAP_SIZE))
    return height.contiguous(), width.transpose(1, 2).contiguous(), constant


def _scaled_circulant(branch: CircularBranch) -> Tensor:
    """The branch's first operator with its BatchNorm's scale."""
    scale = branch.norm.weight / (_running(branch.norm.running_var) + branch.norm.eps).sqrt()
    return branch.circulant(branch.first_kernel) * scale[:, None, None]


def _bias(convolution: nn.Conv2d) -> Tensor:
    if convolution.bias is None:
        raise ValueError("a folded convolution has a bias")
    return convolution.bias


def _running(statistic: Tensor | None) -> Tensor:
    if statistic is None:
        raise ValueError("BatchNorm without running statistics cannot be folded")
    return statistic
