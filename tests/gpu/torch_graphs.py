"""The engine's graphs by PyTorch: the stand-in for TensorRT where a GPU machine has none.

The modules are those of `training.models.step_graphs` with the weights of an engine folder, in the precision that
`engines.tensorrt.graph_precision` writes: backbone and head in half, the embedding in fp32. Once
`tests.gpu.torch_capture` has captured them they run as one launch with the kernels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch._dynamo import config as dynamo_config

from engines.device_graphs import DeviceGraphs
from engines.model_folder import ModelFolder
from engines.slot_state import MAP_SHAPE, POOLED_SIZE, POSITION_SIZE, SLICE_SHAPE, TAPS
from engines.step_input import FRAME_SHAPE
from engines.tensorrt.batch_buckets import batch_buckets
from tests.gpu.torch_memory import Memory
from training.models.normal_flow import per_gradient
from training.models.soft_correspondence import soft_correspondence
from training.models.step_graphs import BackboneStep, HeadStep, StepGraphs, step_graphs
from training.models.streaming import StreamingConfig, StreamingFeatDiff

_LEFT_OUT = "num_batches_tracked"
"""A buffer of BatchNorm that only training reads; exported graphs lack it."""


@dataclass(frozen=True, slots=True)
class TorchTensor:
    """`engines.device_graphs.GraphTensor`"""

    name: str
    dtype: str
    row_shape: tuple[int, ...]

    @property
    def row_bytes(self) -> int:
        return math.prod(self.row_shape) * np.dtype(self.dtype).itemsize


class TorchGraph:
    """`engines.device_graphs.Graph` by a module, which maps the inputs in this order to the outputs in this order."""

    scratch_bytes = 0

    def __init__(
        self, module: nn.Module, inputs: tuple[TorchTensor, ...], outputs: tuple[TorchTensor, ...], memory: Memory
    ) -> None:
        self._module, self._inputs, self._outputs, self._memory = module, inputs, outputs, memory
        self._views: dict[tuple[str, int, int], Tensor] = {}

    @property
    def tensors(self) -> tuple[TorchTensor, ...]:
        return (*self._inputs, *self._outputs)

    def use_scratch(self, address: int, size_bytes: int) -> None:
        """PyTorch has memory of its own."""

    def enqueue(self, rows: int, addresses: Mapping[str, int], stream: int) -> None:
        """Put one run on a stream; it may be captured from the second run of these rows and addresses on."""
        with torch.no_grad(), self._memory.on(stream):
            found = self._module(*(self._view(tensor, rows, addresses) for tensor in self._inputs))
            results = found if isinstance(found, tuple) else (found,)
            for tensor, result in zip(self._outputs, results, strict=True):
                self._view(tensor, rows, addresses).copy_(result)

    def close(self) -> None:
        self._views.clear()

    def _view(self, tensor: TorchTensor, rows: int, addresses: Mapping[str, int]) -> Tensor:
        # Kept, because making one asks CUDA about the address, and little may be asked while work is captured.
        key = (tensor.name, rows, addresses[tensor.name])
        if key not in self._views:
            self._views[key] = self._memory.tensor(key[2], (rows, *tensor.row_shape), tensor.dtype)
        return self._views[key]


class HalfBackbone(nn.Module):
    """`BackboneStep` in half."""

    height_mix: Tensor
    width_mix: Tensor
    constant: Tensor

    def __init__(self, step: BackboneStep) -> None:
        super().__init__()
        self.stem = step.stem.half()
        for name in ("height_mix", "width_mix", "constant"):
            self.register_buffer(name, getattr(step, name).half())

    def forward(self, frames: Tensor) -> Tensor:
        maps = self.stem(frames[:, None].half())
        maps = maps + torch.matmul(torch.matmul(self.height_mix, maps), self.width_mix) + self.constant
        return per_gradient(soft_correspondence(maps))


class HalfHead(nn.Module):
    """`HeadStep` in half; the position is widened, as the kernels take it."""

    def __init__(self, step: HeadStep) -> None:
        super().__init__()
        self.step = step.half()

    def forward(self, differences: Tensor, earlier_slices: Tensor) -> tuple[Tensor, Tensor]:
        newest, position = self.step(differences, earlier_slices)
        return newest, position.float()


def trained_steps(model: ModelFolder) -> StepGraphs:
    """The modules with an engine folder's weights, which its graphs hold under the modules' names.

    Raises RuntimeError for graphs of another network.
    """
    spec = model.spec
    config = StreamingConfig(spec.window_frames, spec.embedding_size, spec.pixel_mean, spec.pixel_std)
    steps = step_graphs(StreamingFeatDiff(config))
    for module, content in (
        (steps.backbone, model.backbone),
        (steps.head, model.head),
        (steps.embedding, model.embedding),
    ):
        stored = onnx.load_model_from_string(content).graph.initializer
        wanted = module.state_dict().keys()
        weights = {
            tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy())
            for tensor in stored
            if tensor.name in wanted
        }
        missing = [name for name in wanted - weights.keys() if not name.endswith(_LEFT_OUT)]
        if missing:
            raise RuntimeError(
                f"engine {spec.name} is of another network: its graphs lack {', '.join(sorted(missing))}"
            )
        module.load_state_dict(weights, strict=False)
    return steps


def torch_modules(model: ModelFolder, *, compiled: bool = False) -> tuple[nn.Module, nn.Module, nn.Module]:
    """Backbone, head and embedding as the graphs run them. compiled: by torch.compile, for each batch size at its
    first run."""
    if compiled:
        # Dynamo compiles a module anew for each of so many sizes only, and runs it uncompiled for all others.
        dynamo_config.recompile_limit = len(batch_buckets())
        dynamo_config.fail_on_recompile_limit_hit = True
    steps = trained_steps(model)
    modules: tuple[nn.Module, ...] = (HalfBackbone(steps.backbone), HalfHead(steps.head), steps.embedding)
    for module in modules:
        module.eval().requires_grad_(False)
        if compiled:
            module.compile(dynamic=False)
    backbone, head, embedding = modules
    return backbone, head, embedding


def torch_graphs(model: ModelFolder, memory: Memory, *, compiled: bool = False) -> DeviceGraphs:
    """The three graphs on a memory, with the tensors that the kernels read and write."""
    modules = (module.to(memory.device) for module in torch_modules(model, compiled=compiled))
    maps, slices = TorchTensor("maps", "float16", MAP_SHAPE), TorchTensor("slice", "float16", SLICE_SHAPE)
    differences = TorchTensor("differences", "float16", (TAPS, *MAP_SHAPE))
    earlier = TorchTensor("earlier_slices", "float16", (TAPS - 1, *SLICE_SHAPE))
    position = TorchTensor("position", "float32", (POOLED_SIZE,))
    ends = (
        ((TorchTensor("frames", "uint8", FRAME_SHAPE),), (maps,)),
        ((differences, earlier), (slices, position)),
        (
            (TorchTensor("moments", "float32", (2 * POSITION_SIZE,)),),
            (TorchTensor("embedding", "float32", (model.spec.embedding_size,)),),
        ),
    )
    return DeviceGraphs(
        *(TorchGraph(module, inputs, outputs, memory) for module, (inputs, outputs) in zip(modules, ends, strict=True))
    )
