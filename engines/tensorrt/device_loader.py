"""An engine folder on the GPU at hand: plans, kernels and state put together; minutes where plans are compiled."""

from __future__ import annotations

from engines.code_cache import default_code_cache
from engines.cuda.device import Device
from engines.cuda.gpu import cuda_driver, find_gpu
from engines.cuda.pycuda_device import PycudaDevice
from engines.device_engine import DeviceEngine
from engines.device_graphs import Capture, DeviceGraphs
from engines.device_stages import watched_parts
from engines.errors import PlanBuildError
from engines.model_folder import ModelFolder
from engines.protocol import EngineStatus
from engines.stage_clock import StageClock
from engines.tensorrt.batch_buckets import batch_buckets, batch_profiles
from engines.tensorrt.build_progress import StderrProgress
from engines.tensorrt.captured_work import CapturedWork
from engines.tensorrt.graph_runner import GraphRunner
from engines.tensorrt.model_plans import Machine, ModelPlans, model_plans
from engines.tensorrt.package import find_tensorrt
from engines.tensorrt.precision import Precision

_PRECISION: Precision = "fp16"
_BUDGET_SHARE = 0.8
"""Of the memory that is free once the graphs are loaded: the streams' records. The rest is left to other programs."""


def load_device_engine(model: ModelFolder, clock: StageClock | None = None) -> DeviceEngine:
    """Load, and compile where need be. clock: counts what each stage takes, see `engines.device_stages`.

    Raises BackendUnavailableError (PlanBuildError) where this machine cannot run it, ModelFolderError for graphs of
    another version.
    """
    machine = Machine(find_tensorrt(), find_gpu(), default_code_cache("plans"))
    captured = CapturedWork(cuda_driver())
    device = PycudaDevice()
    try:
        with device.current():
            graphs = _graphs(model, machine)
            budget_bytes = int(_BUDGET_SHARE * device.free_bytes)
        name = f"{device.name}, {machine.tensorrt.name} {machine.tensorrt.version}"
        status = EngineStatus("tensorrt", _PRECISION, name, None)
        parts: tuple[Device, DeviceGraphs, Capture] = device, graphs, captured
        if clock is not None:
            parts = watched_parts(device, graphs, clock)
        return DeviceEngine(model.spec, status, *parts, batch_buckets(), budget_bytes)
    except BaseException:
        device.close()
        raise


def _graphs(model: ModelFolder, machine: Machine) -> DeviceGraphs:
    progress, profiles = StderrProgress(), batch_profiles(batch_buckets())
    plans = model_plans(model, _PRECISION, profiles, machine, progress)
    try:
        return _loaded(plans, machine)
    except PlanBuildError as error:
        progress.stage(f"a cached plan does not load ({error}); building all of them anew")
        return _loaded(model_plans(model, _PRECISION, profiles, machine, progress, anew=True), machine)


def _loaded(plans: ModelPlans, machine: Machine) -> DeviceGraphs:
    parts = (plans.backbone, plans.head, plans.embedding)
    return DeviceGraphs(*(GraphRunner(machine.tensorrt, part.plan, plans.profiles, batch_buckets()) for part in parts))
