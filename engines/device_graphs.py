"""What a device engine wants of an engine's graphs, whoever runs them: TensorRT, PyTorch, ONNX Runtime on the host."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Protocol

from engines.errors import ModelFolderError
from engines.protocol import EngineSpec
from engines.slot_state import MAP_SHAPE, POOLED_SIZE, POSITION_SIZE, SLICE_SHAPE, TAPS
from engines.step_input import FRAME_SHAPE


class GraphTensor(Protocol):
    """An input or output of a graph; see `engines.tensorrt.graph_runner.GraphTensor`."""

    @property
    def name(self) -> str: ...
    @property
    def dtype(self) -> str: ...
    @property
    def row_shape(self) -> tuple[int, ...]: ...
    @property
    def row_bytes(self) -> int: ...


class Graph(Protocol):
    """A graph that runs on device memory of others; `engines.tensorrt.graph_runner.GraphRunner` is one."""

    @property
    def tensors(self) -> tuple[GraphTensor, ...]: ...

    @property
    def scratch_bytes(self) -> int: ...

    def use_scratch(self, address: int, size_bytes: int) -> None: ...

    def enqueue(self, rows: int, addresses: Mapping[str, int], stream: int) -> None: ...

    def close(self) -> None: ...


class Capture(Protocol):
    """Replays work on a stream as one launch; `engines.tensorrt.captured_work.CapturedWork` is one."""

    def launch(self, key: Hashable, stream: int, enqueue: Callable[[], None]) -> None: ...

    def forget(self) -> None: ...


@dataclass(frozen=True, slots=True)
class DeviceGraphs:
    """An engine's three graphs, on one device."""

    backbone: Graph
    head: Graph
    embedding: Graph

    @property
    def all(self) -> tuple[Graph, ...]:
        return self.backbone, self.head, self.embedding


def check_tensors(spec: EngineSpec, graphs: DeviceGraphs) -> None:
    """The kernels read and write these tensors as they lie in memory."""
    wanted = {
        "frames": ("uint8", FRAME_SHAPE),
        "maps": ("float16", MAP_SHAPE),
        "differences": ("float16", (TAPS, *MAP_SHAPE)),
        "earlier_slices": ("float16", (TAPS - 1, *SLICE_SHAPE)),
        "slice": ("float16", SLICE_SHAPE),
        "position": ("float32", (POOLED_SIZE,)),
        "moments": ("float32", (2 * POSITION_SIZE,)),
        "embedding": ("float32", (spec.embedding_size,)),
    }
    found = {tensor.name: (tensor.dtype, tensor.row_shape) for graph in graphs.all for tensor in graph.tensors}
    if found != wanted:
        differing = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
        raise ModelFolderError(
            f"engine {spec.name}: its compiled graphs have other tensors than the kernels ({', '.join(differing)}); "
            "build it anew with half maps: python -m engines build --precision fp16"
        )
