"""From an engine folder back to a network that can go on learning, where the run that made it is lost.

Export folds every BatchNorm into its convolution. Here the convolutions stay folded, and each BatchNorm gets the
statistics of the given clips with a scale and a shift that undo them: backbone and head compute what the engine's
compute, and their norms work as in any other run. FCC's constant map is split into the positions that give it. The
embedding is left to `refine`, which has to find a new one after any training.

Engines of an earlier design have the same weights for other operations, or lack the residual convolutions, which then
begin at a tenth of their usual size. They may be begun with, and a warning says by how much the maps differ.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import cast

import onnx
import onnxruntime
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from engines.errors import ModelFolderError
from engines.model_folder import ModelFolder, read_model_folder
from training.errors import CheckpointError
from training.fit import FitConfig, Run, start
from training.models.f5c import STEM_LAYERS, CircularBranch
from training.models.streaming import StreamingConfig, StreamingFeatDiff
from training.origin import Stage

_LOG = logging.getLogger(__name__)

_UNLEARNT = 0.1
"""Size of a layer that the engine lacks: small beside what the others pass on, and large enough to learn."""

_SAME_MAPS = 1e-3
"""Relative error of maps that rounding explains."""


def unfolded_run(engine: Path, clips: Iterable[Tensor], speeds: int) -> Run:
    """A run at step 0 with an engine's backbone and head, a fresh embedding and a fresh read-out of `speeds` speeds.

    clips: frames (n, T, 128, 128), 0-255, as training will see them; a few hundred frames are enough. Raises
    CheckpointError for a folder that is no engine of this network.
    """
    try:
        model = read_model_folder(engine)
    except ModelFolderError as error:
        raise CheckpointError(str(error)) from error
    run = start(FitConfig(), speeds, torch.device("cpu"))
    run.trainee.network.load_state_dict(unfolded(model, run.config.embedding_size, clips).state_dict())
    run.origin = Stage(engine=f"{model.spec.name} {model.spec.version}")
    return run


def unfolded(model: ModelFolder, embedding_size: int, clips: Iterable[Tensor]) -> StreamingFeatDiff:
    """The network of an engine with a fresh embedding, in evaluation mode. Raises CheckpointError for graphs of another
    network, or another range of pixels."""
    spec = model.spec
    config = StreamingConfig(spec.window_frames, embedding_size)
    if (spec.pixel_mean, spec.pixel_std) != (config.pixel_mean, config.pixel_std):
        raise CheckpointError(
            f"engine {spec.name} takes pixels with mean {spec.pixel_mean} and deviation {spec.pixel_std}; runs learn "
            f"with {config.pixel_mean} and {config.pixel_std}"
        )
    network = StreamingFeatDiff(config).eval()
    batches = iter(clips)
    first = next(batches)
    try:
        with torch.no_grad():
            backbone = _weights(model.backbone)
            _unfold_stem(network, backbone)
            _unfold_fcc(network, backbone)
            _unfold_head(network, _weights(model.head), f"{spec.name} {spec.version}")
            _give_norms_statistics(network, chain([first], batches))
            _warn_of_other_maps(network, model, first[0])
    except (KeyError, RuntimeError) as error:
        raise CheckpointError(f"engine {spec.name} is of another network: {error}") from error
    return network


def _warn_of_other_maps(network: StreamingFeatDiff, model: ModelFolder, frames: Tensor) -> None:
    """frames: (T, 128, 128), 0-255."""
    pixels = frames.round().clamp(0, 255)
    session = onnxruntime.InferenceSession(model.backbone, providers=["CPUExecutionProvider"])
    (wanted,) = session.run(None, {session.get_inputs()[0].name: pixels.to(torch.uint8).numpy()})
    found, maps = network.feature_maps(pixels), torch.from_numpy(wanted)
    error = float((found - maps).norm() / maps.norm())
    if error > _SAME_MAPS:
        _LOG.warning(
            "engine %s %s is of another design: with its weights this network's maps differ by %.0f %%; train on",
            model.spec.name, model.spec.version, 100 * error,
        )  # fmt: skip


def _weights(graph: bytes) -> dict[str, Tensor]:
    stored = onnx.load_model_from_string(graph).graph.initializer
    return {tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy()) for tensor in stored}


def _unfold_stem(network: StreamingFeatDiff, weights: dict[str, Tensor]) -> None:
    config = network.config
    for layer in range(len(STEM_LAYERS)):
        convolution = cast(nn.Conv2d, network.backbone.conv_stack.net[3 * layer])
        weight, bias = _convolution(weights, f"stem.{2 * layer}")
        if layer == 0:
            weight = weight * (255 * config.pixel_std)
            bias = bias + weight.sum(dim=(1, 2, 3)) * config.pixel_mean / config.pixel_std
        _fill(convolution, weight, bias)


def _unfold_fcc(network: StreamingFeatDiff, weights: dict[str, Tensor]) -> None:
    height, width, constant = weights["height_mix"], weights["width_mix"].transpose(1, 2), weights["constant"][0]
    half = len(height) // 2
    fcc = network.backbone.fcc
    _unfold_branch(fcc.height_first, height[:half], width[:half], constant[:half])
    _unfold_branch(fcc.width_first, width[half:], height[half:], constant[half:].transpose(1, 2))


def _unfold_branch(branch: CircularBranch, first: Tensor, second: Tensor, constant: Tensor) -> None:
    """first, second: circulants (c, 16, 16). constant: (c, 16, 16), what the branch adds, its first axis first: a sum
    of one map along each axis, as every branch's is."""
    branch.first_kernel.copy_(first[:, 0])
    branch.second_kernel.copy_(second[:, 0])
    mean = constant.mean(dim=(1, 2))
    along_first, along_second = constant.mean(2) - mean[:, None], constant.mean(1) - mean[:, None]
    through_both = first * second[:, 0].sum(1)[:, None, None]
    branch.first_position.copy_(_solution(through_both, along_first))
    branch.second_position.copy_(_solution(second, along_second))
    branch.first_bias.zero_()
    branch.second_bias.copy_(mean)


def _solution(matrices: Tensor, values: Tensor) -> Tensor:
    """Of least squares, since a circulant may be all but singular: (c, 16, 16) and (c, 16) to (c, 16)."""
    found: Tensor = torch.linalg.lstsq(matrices.double(), values.double()[..., None], driver="gelsd").solution
    return found.squeeze(2).float()


def _unfold_head(network: StreamingFeatDiff, weights: dict[str, Tensor], engine: str) -> None:
    for name, part in (("first", network.first), ("second", network.second)):
        _fill(part.conv, *_convolution(weights, name))
    residuals = {"each": network.each, "first_again": network.first_again, "second_again": network.second_again}
    for name, residual in residuals.items():
        if f"{name}.weight" in weights:
            _fill(residual.conv, *_convolution(weights, name))
        else:
            _LOG.warning("engine %s is of an earlier design, without %s: that layer is new; train on", engine, name)
            residual.conv.weight.mul_(_UNLEARNT)


def _convolution(weights: dict[str, Tensor], name: str) -> tuple[Tensor, Tensor]:
    """Weight and bias, which an export leaves out where it is 0 throughout."""
    weight = weights[f"{name}.weight"]
    return weight, weights.get(f"{name}.bias", torch.zeros(len(weight)))


def _fill(convolution: nn.Conv2d, weight: Tensor, bias: Tensor) -> None:
    if convolution.weight.shape != weight.shape or convolution.bias is None:
        raise KeyError(f"a convolution of shape {tuple(weight.shape)}")
    convolution.weight.copy_(weight)
    convolution.bias.copy_(bias)


def _give_norms_statistics(network: StreamingFeatDiff, clips: Iterable[Tensor]) -> None:
    """Make every BatchNorm nothing, look at what goes through it, and make it nothing again with those statistics."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        _set(norm, torch.zeros(norm.num_features), torch.full((norm.num_features,), 1 - norm.eps))
    seen: dict[nn.Module, list[tuple[Tensor, Tensor]]] = {norm: [] for norm in norms}

    def note(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen[norm].append((inputs[0].mean(dim=(0, 2, 3)), inputs[0].square().mean(dim=(0, 2, 3))))

    hooks = [norm.register_forward_pre_hook(note) for norm in norms]
    for frames in clips:
        network.embed_positions(frames)
    for hook in hooks:
        hook.remove()
    for norm in norms:
        mean, square = (torch.stack(values).mean(0) for values in zip(*seen[norm], strict=True))
        _set(norm, mean, (square - mean.square()).clamp(min=0))


def _set(norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor) -> None:
    """Statistics, with the scale and the shift that undo them."""
    state = {"running_mean": mean, "running_var": variance, "weight": (variance + norm.eps).sqrt(), "bias": mean}
    norm.load_state_dict({**norm.state_dict(), **state})
