"""The ceilings of the GPU at hand, measured by the very stack that the engine runs on: pycuda and TensorRT."""

from __future__ import annotations

import hashlib

from engines.code_cache import default_code_cache
from engines.cuda.gpu import find_gpu
from engines.cuda.pycuda_device import PycudaDevice
from engines.device_ceilings import DeviceCeilings, Product, measure_ceilings
from engines.errors import BackendUnavailableError
from engines.tensorrt.batch_buckets import BatchProfile
from engines.tensorrt.build_progress import BuildProgress, StderrProgress
from engines.tensorrt.graph_runner import GraphRunner
from engines.tensorrt.model_plans import Machine, kept_plan, plan_key
from engines.tensorrt.package import find_tensorrt

PRODUCT_SIZE = 4096
_PROFILES = (BatchProfile(PRODUCT_SIZE, PRODUCT_SIZE, PRODUCT_SIZE),)
_COPY_BYTES, _UPLOAD_BYTES = 2**30, 2**28
_SHARE_OF_FREE = 8
"""Where memory is scarce, a copy takes this part of what is free, twice."""


def gpu_ceilings() -> DeviceCeilings:
    """Takes seconds, and some more where the product has to be compiled. Raises EngineError where that fails."""
    machine = Machine(find_tensorrt(), find_gpu(), default_code_cache("plans"))
    plan = product_plan(machine, StderrProgress())
    device = PycudaDevice()
    try:
        with device.current():
            runner = GraphRunner(machine.tensorrt, plan, _PROFILES, (PRODUCT_SIZE,))
            copy_bytes = min(_COPY_BYTES, device.free_bytes // _SHARE_OF_FREE)
            found = measure_ceilings(device, Product(runner, PRODUCT_SIZE), copy_bytes, min(_UPLOAD_BYTES, copy_bytes))
            runner.close()
            return found
    finally:
        device.close()


def product_plan(machine: Machine, progress: BuildProgress) -> bytes:
    """The product compiled for a machine, from its cache where it can be trusted."""
    try:
        from engines.tensorrt.product_graph import half_product
    except ImportError as error:
        raise BackendUnavailableError(
            f"the product cannot be written ({error}, pip install 'whodrives[gpu]')"
        ) from None
    graph = half_product(PRODUCT_SIZE)
    key = plan_key(hashlib.sha256(graph).hexdigest(), "product", graph, "fp16", _PROFILES, machine)
    return kept_plan(key, graph, "fp16", _PROFILES, machine, progress).plan
