"""NVIDIA's own parser and builder on the shipped engine, ahead of time: TensorRT-RTX needs no GPU for that.

Skipped where the wheel is not installed; `make test-tensorrt` installs it for the time of these tests.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engines.errors import BackendUnavailableError, PlanBuildError
from engines.model_folder import ModelFolder, read_model_folder
from engines.registry import find_model
from engines.tensorrt.batch_buckets import BatchProfile, batch_buckets, batch_profiles
from engines.tensorrt.model_plans import engine_graphs
from engines.tensorrt.package import TensorRT, import_tensorrt
from engines.tensorrt.plan_builder import BuiltPlan, build_plan
from engines.tensorrt.precision import Precision
from engines.tensorrt.product_graph import half_product
from tests.engines.tensorrt.kept_progress import KeptProgress

PROFILES = batch_profiles(batch_buckets())
AMPERE_AND_LATER = ("SM80", "SM86", "SM89", "SM120")
LARGEST_PLAN_BYTES = 20_000_000
"""A few times what is built now: a plan that outgrows it holds something that nobody meant to put there."""


@pytest.fixture(scope="module")
def rtx() -> TensorRT:
    """The real package."""
    try:
        return import_tensorrt("tensorrt_rtx")
    except BackendUnavailableError as error:
        pytest.skip(f"{error}; 'make test-tensorrt' installs it for these tests")


@pytest.fixture(scope="module")
def model() -> ModelFolder:
    """The shipped engine."""
    return read_model_folder(find_model("default"))


def build(
    rtx: TensorRT,
    graph: bytes,
    precision: Precision,
    capabilities: tuple[str, ...] = AMPERE_AND_LATER,
    progress: KeptProgress | None = None,
) -> BuiltPlan:
    return build_plan(
        rtx,
        graph,
        PROFILES,
        precision=precision,
        progress=progress or KeptProgress(),
        capabilities=capabilities,
    )


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("name", ["backbone", "head", "embedding"])
def test_every_graph_builds_for_every_range_of_batches(
    rtx: TensorRT, model: ModelFolder, name: str, precision: Precision, record_property: Callable[[str, object], None]
) -> None:
    progress = KeptProgress()
    built = build(rtx, engine_graphs(model, precision)[name], precision, progress=progress)
    record_property("layers", built.layers)
    record_property("plan_bytes", len(built.plan))
    assert built.layers > 0
    assert 100_000 < len(built.plan) < LARGEST_PLAN_BYTES
    assert progress.steps
    print(f"{name} {precision}: {built.layers} layers, {len(built.plan) / 1e6:.2f} MB")  # noqa: T201 - shown with -s


def test_the_product_that_sets_the_ceiling_builds(rtx: TensorRT) -> None:
    built = build_plan(
        rtx,
        half_product(256),
        (BatchProfile(256, 256, 256),),
        precision="fp16",
        progress=KeptProgress(),
        capabilities=AMPERE_AND_LATER,
    )
    assert built.layers > 0


def test_frames_as_the_engine_folder_has_them_are_refused_in_the_parsers_words(
    rtx: TensorRT, model: ModelFolder
) -> None:
    """Why the cast is put first: uint8 goes through no other operator."""
    with pytest.raises(PlanBuildError, match=r"cannot read this graph .*UInt8"):
        build(rtx, model.backbone, "fp32")


@pytest.mark.parametrize("name", ["backbone", "head"])
def test_turing_computes_what_is_half(rtx: TensorRT, model: ModelFolder, name: str) -> None:
    assert build(rtx, engine_graphs(model, "fp16")[name], "fp16", ("SM75",)).layers > 0


def test_turing_is_refused_for_want_of_fp32_products(rtx: TensorRT, model: ModelFolder) -> None:
    """A limit of RTX on SM75, not of the graph: the embedding must not be half."""
    with pytest.raises(PlanBuildError, match="FP32 GEMM is not supported"):
        build(rtx, engine_graphs(model, "fp16")["embedding"], "fp16", ("SM75",))


def test_a_gpu_that_rtx_does_not_know_is_refused(rtx: TensorRT, model: ModelFolder) -> None:
    with pytest.raises(BackendUnavailableError, match="cannot build for SM90"):
        build(rtx, engine_graphs(model, "fp16")["head"], "fp16", ("SM90",))


def test_the_calls_of_the_runner_exist(rtx: TensorRT) -> None:
    """No GPU, so nothing can run: at least the stand-in of the runner's tests asks for nothing that is not there."""
    engine = ("get_tensor_name", "get_tensor_mode", "get_tensor_dtype", "get_tensor_shape", "create_execution_context")
    context = ("set_optimization_profile_async", "set_input_shape", "set_tensor_address", "execute_async_v3")
    assert all(hasattr(rtx.module.ICudaEngine, name) for name in (*engine, "num_io_tensors", "device_memory_size_v2"))
    assert all(hasattr(rtx.module.IExecutionContext, name) for name in (*context, "set_device_memory"))
    assert hasattr(rtx.module.ExecutionContextAllocationStrategy, "USER_MANAGED")
    assert hasattr(rtx.module.Runtime, "deserialize_cuda_engine")
    assert rtx.module.DataType.HALF.itemsize == 2


def test_the_calls_of_captured_work_exist() -> None:
    driver = pytest.importorskip("cuda.bindings.driver", reason="cuda-bindings is not installed")
    names = ("cuStreamBeginCapture", "cuStreamEndCapture", "cuGraphInstantiate", "cuGraphDestroy", "cuGraphLaunch")
    assert all(callable(getattr(driver, name)) for name in (*names, "cuGraphExecDestroy", "cuDriverGetVersion"))
    assert driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL == 1
    assert driver.CUresult.CUDA_SUCCESS == 0
