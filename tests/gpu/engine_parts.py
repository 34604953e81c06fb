"""The graphs that a device engine runs on the GPU at hand: TensorRT's, or the recorded stand-in and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engines.code_cache import default_code_cache
from engines.cuda.gpu import find_gpu
from engines.device_engine import DeviceEngine
from engines.device_graphs import Capture, DeviceGraphs
from engines.errors import BackendUnavailableError
from engines.model_folder import ModelFolder
from engines.protocol import EngineStatus
from engines.tensorrt.batch_buckets import batch_buckets, batch_profiles
from engines.tensorrt.build_progress import StderrProgress
from engines.tensorrt.graph_runner import GraphRunner
from engines.tensorrt.model_plans import Machine, model_plans
from engines.tensorrt.package import find_tensorrt
from tests.gpu.section import UnavailableError
from tests.gpu.stack import Stack

Kind = Literal["best", "compiled"]
"""TensorRT or else PyTorch; PyTorch by torch.compile."""

_BUDGET_BYTES = 16 * 2**30
"""For the records of 16,384 streams, 7.2 GB, and some."""


@dataclass(frozen=True, slots=True)
class EngineParts:
    """What goes into a `DeviceEngine` besides the device. status: says, as ever, why it is not a faster one."""

    graphs: DeviceGraphs
    capture: Capture
    status: EngineStatus

    def engine(self, model: ModelFolder, stack: Stack, buckets: tuple[int, ...] | None = None) -> DeviceEngine:
        """On the stack's device; closing it closes that too."""
        sizes = buckets or batch_buckets()
        return DeviceEngine(model.spec, self.status, stack.device, self.graphs, self.capture, sizes, _BUDGET_BYTES)


def engine_parts(model: ModelFolder, stack: Stack, kind: Kind) -> EngineParts:
    """Raises UnavailableError where neither runs here."""
    if kind == "compiled":
        return _torch_parts(model, stack, "asked for", compiled=True)
    try:
        return _tensorrt_parts(model, stack)
    except BackendUnavailableError as error:
        return _torch_parts(model, stack, f"TensorRT: {error}", compiled=False)


def _tensorrt_parts(model: ModelFolder, stack: Stack) -> EngineParts:
    package = find_tensorrt()
    machine, profiles = Machine(package, find_gpu(), default_code_cache("plans")), batch_profiles(batch_buckets())
    plans = model_plans(model, "fp16", profiles, machine, StderrProgress())
    parts = (plans.backbone, plans.head, plans.embedding)
    graphs = DeviceGraphs(*(GraphRunner(package, part.plan, plans.profiles, batch_buckets()) for part in parts))
    status = EngineStatus("tensorrt", "fp16", f"{stack.device.name}, {package.name} {package.version}", None)
    return EngineParts(graphs, stack.capture, status)


def _torch_parts(model: ModelFolder, stack: Stack, reason: str, *, compiled: bool) -> EngineParts:
    try:
        import torch

        from tests.gpu.torch_capture import TorchCapture
        from tests.gpu.torch_graphs import torch_graphs
        from tests.gpu.torch_memory import CudaMemory
    except ImportError as error:
        raise UnavailableError(f"neither TensorRT ({reason}) nor PyTorch ({error}) is there") from None
    if not torch.cuda.is_available():
        raise UnavailableError(f"neither TensorRT ({reason}) runs here nor does PyTorch see a GPU")
    name = f"PyTorch {torch.__version__}, {'torch.compile' if compiled else 'eager'} in CUDA graphs"
    status = EngineStatus("torch", "fp16", f"{stack.device.name}, {name}", reason)
    return EngineParts(torch_graphs(model, CudaMemory(), compiled=compiled), TorchCapture(), status)
