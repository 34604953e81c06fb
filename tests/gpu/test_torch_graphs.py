"""The stand-in graphs, on the host's memory, against the exported ones by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, partialmethod
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

from engines.device_graphs import Graph
from engines.golden import golden_clip
from engines.model_folder import ModelFolder
from engines.slot_state import POSITION_SIZE
from engines.tensorrt.batch_buckets import batch_buckets
from engines.tensorrt.model_plans import engine_graphs
from tests.engines.kernels.host_graphs import HostGraph
from tests.gpu.stack import Stack
from tests.gpu.torch_difference import difference_maps, random_rings
from tests.gpu.torch_graphs import torch_graphs, torch_modules, trained_steps
from tests.gpu.torch_memory import HostMemory

Arrays = dict[str, NDArray[np.generic]]


def _run(stack: Stack, graph: Graph, rows: int, inputs: Arrays) -> Arrays:
    """A graph's outputs, by way of device memory."""
    device = stack.device
    buffers = {tensor.name: device.allocate(rows * tensor.row_bytes) for tensor in graph.tensors}
    for name, array in inputs.items():
        device.upload(buffers[name], array)
    graph.enqueue(rows, {name: buffer.address for name, buffer in buffers.items()}, device.stream)
    outputs: Arrays = {}
    for tensor in graph.tensors:
        if tensor.name not in inputs:
            outputs[tensor.name] = np.empty((rows, *tensor.row_shape), tensor.dtype)
            device.download(outputs[tensor.name], buffers[tensor.name])
    return outputs


def _inputs(graph: str, rows: int) -> Arrays:
    generator = np.random.default_rng(3)
    if graph == "backbone":
        return {"frames": golden_clip(64)[0][10 : 10 + rows]}
    if graph == "head":
        return {
            "differences": generator.normal(0, 0.3, (rows, 3, 128, 16, 16)).astype(np.float16),
            "earlier_slices": generator.random((rows, 2, 64, 16, 8)).astype(np.float16),
        }
    return {"moments": generator.random((rows, 2 * POSITION_SIZE)).astype(np.float32)}


@pytest.mark.parametrize(("graph", "error"), [("backbone", 3e-3), ("head", 3e-3), ("embedding", 1e-5)])
@pytest.mark.parametrize("rows", [1, 3])
def test_half_graphs_agree_with_those_written_for_tensorrt(
    host_stack: Stack, model: ModelFolder, graph: str, error: float, rows: int
) -> None:
    """Relative errors. ONNX Runtime rounds less than a half graph says, so halves differ by rounding."""
    own = getattr(torch_graphs(model, HostMemory()), graph)
    exported = HostGraph(engine_graphs(model, "fp16")[graph])
    assert {(t.name, t.dtype, t.row_shape) for t in own.tensors} == {
        (t.name, t.dtype, t.row_shape) for t in exported.tensors
    }
    inputs = _inputs(graph, rows)
    found, wanted = _run(host_stack, own, rows, inputs), _run(host_stack, exported, rows, inputs)
    for name in wanted:
        left, right = found[name].astype(np.float64), wanted[name].astype(np.float64)
        assert np.linalg.norm(left - right) <= error * np.linalg.norm(right), name


def test_weights_of_the_folder_are_all_taken(model: ModelFolder) -> None:
    """In full precision the modules are the exported graphs to rounding."""
    steps, frames = trained_steps(model), golden_clip(64)[0][5:6]
    random = torch.Generator().manual_seed(0)
    differences = torch.randn(2, 3, 128, 16, 16, generator=random) / 10
    slices = torch.rand(2, 2, 64, 16, 8, generator=random)
    with torch.no_grad():
        found = [steps.backbone(torch.from_numpy(frames)), *steps.head(differences, slices)]
    given = {"differences": differences.numpy(), "earlier_slices": slices.numpy()}
    wanted = [*_exported(model.backbone, {"frames": frames}), *_exported(model.head, given)]
    for own, exported in zip(found, wanted, strict=True):
        np.testing.assert_allclose(own.numpy(), exported, atol=1e-4)


def _exported(graph: bytes, inputs: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    outputs: list[NDArray[Any]] = session.run(None, inputs)
    return outputs


def test_memory_is_shared_and_not_copied(host_stack: Stack) -> None:
    buffer = host_stack.device.allocate(12)
    HostMemory().tensor(buffer.address, (3, 2), "float16").fill_(1.5)
    found = np.empty((3, 2), np.float16)
    host_stack.device.download(found, buffer)
    assert (found == 1.5).all()


def test_torch_compile_takes_graphs_and_rival_whole(model: ModelFolder) -> None:
    """Only traced here: compiling is for the machine that measures it. A graph that breaks would not be compiled."""
    torch.compiler.reset()
    backbone, head, _ = torch_modules(model)
    rings = random_rings(2, torch.device("cpu"))
    state = (rings.maps, rings.oldest, rings.run, torch.arange(2), torch.ones(2, 128, 256).half())
    heads = (torch.ones(1, 3, 128, 16, 16).half(), torch.ones(1, 2, 64, 16, 8).half())
    with torch.no_grad():
        for work, inputs in (
            (backbone, (torch.zeros(1, 128, 128, dtype=torch.uint8),)),
            (head, heads),
            (difference_maps, state),
        ):
            traced = torch.compile(work, backend="eager", fullgraph=True, dynamic=False)
            again = [tensor.clone() for tensor in inputs]  # the rival replaces maps
            for found, wanted in zip(traced(*inputs), work(*again), strict=True):
                torch.testing.assert_close(found, wanted)


@torch._dynamo.config.patch(recompile_limit=8, fail_on_recompile_limit_hit=False)  # type: ignore[untyped-decorator]
def test_torch_compile_takes_every_size_of_a_batch(model: ModelFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """By default Dynamo stops after eight sizes, and then runs what is called compiled as it is."""
    torch.compiler.reset()
    sizes: list[int] = []

    def backend(traced: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> Callable[..., object]:
        sizes.append(inputs[0].shape[0])
        return traced.forward

    compile_module = partial(torch.nn.Module.compile, backend=backend)
    monkeypatch.setattr(torch.nn.Module, "compile", partialmethod(compile_module))
    _, _, embedding = torch_modules(model, compiled=True)
    with torch.no_grad():
        for rows in batch_buckets():
            embedding(torch.ones(rows, 2 * POSITION_SIZE))
    assert sizes == list(batch_buckets())
