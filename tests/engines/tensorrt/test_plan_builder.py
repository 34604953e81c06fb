"""What is asked of each generation of TensorRT, in which order, and what is said when it refuses."""

from __future__ import annotations

import pytest

from engines.errors import BackendUnavailableError, PlanBuildError
from engines.tensorrt.batch_buckets import batch_buckets, batch_profiles
from engines.tensorrt.plan_builder import BuiltPlan, build_plan
from engines.tensorrt.precision import Precision
from tests.engines.tensorrt.kept_progress import KeptProgress
from tests.engines.tensorrt.recording_tensorrt import Generation, RecordingTensorRT

PROFILES = batch_profiles(batch_buckets())


def build(
    tensorrt: RecordingTensorRT, precision: Precision = "fp16", progress: KeptProgress | None = None
) -> BuiltPlan:
    package = tensorrt.package
    return build_plan(
        package,
        b"graph",
        PROFILES,
        precision=precision,
        progress=progress or KeptProgress(),
        timing_cache=b"older timings",
        capabilities=package.capabilities_at_hand,
    )


@pytest.mark.parametrize("generation", ["8.6", "11", "rtx"])
def test_a_plan_is_built_for_every_range_of_batches(generation: Generation) -> None:
    tensorrt, progress = RecordingTensorRT(generation), KeptProgress()
    built = build(tensorrt, progress=progress)
    assert (built.plan, built.layers) == (b"plan", 4)
    assert tensorrt.named("set_shape", "add_optimization_profile") == [
        ("set_shape", "frames", (1, 128, 128), (2, 128, 128), (4, 128, 128)),
        ("add_optimization_profile",),
        ("set_shape", "frames", (8, 128, 128), (16, 128, 128), (32, 128, 128)),
        ("add_optimization_profile",),
        ("set_shape", "frames", (64, 128, 128), (128, 128, 128), (256, 128, 128)),
        ("add_optimization_profile",),
    ]
    assert tensorrt.calls[-1] == ("build_serialized_network",)
    assert progress.stages == ["compiling 4 layers for 3 ranges of batch size"]
    assert progress.steps == ([] if generation == "8.6" else [("Building", 0, 2), ("Building", 1, 2)])


@pytest.mark.parametrize("generation", ["8.6", "11"])
def test_timings_go_from_build_to_build(generation: Generation) -> None:
    tensorrt = RecordingTensorRT(generation)
    assert build(tensorrt).timing_cache == b"timings"
    assert tensorrt.named("create_timing_cache", "set_timing_cache") == [
        ("create_timing_cache", b"older timings"),
        ("set_timing_cache", "cache", False),
    ]


def test_rtx_is_not_asked_for_timings() -> None:
    tensorrt = RecordingTensorRT("rtx")
    assert build(tensorrt).timing_cache is None
    assert tensorrt.named("create_timing_cache") == []


@pytest.mark.parametrize(("generation", "flags"), [("8.6", 1), ("11", 2), ("rtx", 2)])
def test_networks_are_strongly_typed_where_they_can_be(generation: Generation, flags: int) -> None:
    tensorrt = RecordingTensorRT(generation)
    build(tensorrt)
    assert tensorrt.calls[0] == ("create_network", flags)


@pytest.mark.parametrize("generation", ["8.6", "11", "rtx"])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_tf32_is_never_allowed(generation: Generation, precision: Precision) -> None:
    tensorrt = RecordingTensorRT(generation)
    build(tensorrt, precision)
    assert tensorrt.named("clear_flag") == [("clear_flag", "TF32")]


def test_8_6_is_held_to_the_types_of_the_graph() -> None:
    tensorrt = RecordingTensorRT("8.6")
    build(tensorrt)
    assert tensorrt.named("set_flag") == [("set_flag", "FP16"), ("set_flag", "OBEY_PRECISION_CONSTRAINTS")]
    assert tensorrt.named("set_preview_feature") == [("set_preview_feature", "PROFILE_SHARING_0806", True)]
    cast, convolution, reduce, shape = tensorrt.layers
    assert convolution.held == [("precision", "HALF"), (0, "HALF")]
    assert reduce.held == [("precision", "FLOAT"), (0, "FLOAT")]
    assert cast.held == shape.held == []


@pytest.mark.parametrize(("generation", "precision"), [("8.6", "fp32"), ("11", "fp16"), ("11", "fp32")])
def test_nothing_is_held_where_types_are_given(generation: Generation, precision: Precision) -> None:
    tensorrt = RecordingTensorRT(generation)
    build(tensorrt, precision)
    assert tensorrt.named("set_flag") == []
    assert all(layer.held == [] for layer in tensorrt.layers)


def test_rtx_builds_for_the_gpu_at_hand_with_capture_in_mind() -> None:
    tensorrt = RecordingTensorRT("rtx")
    build(tensorrt)
    assert tensorrt.named("set_compute_capability") == [("set_compute_capability", "CURRENT")]
    assert tensorrt.named("set_flag") == [("set_flag", "REQUIRE_USER_ALLOCATION")]


@pytest.mark.parametrize(("generation", "capability"), [("rtx", "SM90"), ("11", "SM89")])
def test_a_gpu_that_cannot_be_built_for_is_named(generation: Generation, capability: str) -> None:
    with pytest.raises(BackendUnavailableError, match=f"cannot build for {capability}"):
        build_plan(
            RecordingTensorRT(generation).package,
            b"graph",
            PROFILES,
            precision="fp32",
            progress=KeptProgress(),
            capabilities=(capability,),
        )


def test_the_parsers_messages_are_listed_in_one_line() -> None:
    with pytest.raises(PlanBuildError) as failure:
        build(RecordingTensorRT(refuses=("parse",)))
    assert str(failure.value).startswith(
        "tensorrt 11.4.0 cannot read this graph (Invalid Node - one first reason; Invalid Node - two); "
    )


def test_a_failed_build_and_a_missing_gpu_are_one_clear_error_each() -> None:
    with pytest.raises(PlanBuildError, match="cannot compile this graph"):
        build(RecordingTensorRT(refuses=("build_serialized_network",)))
    with pytest.raises(BackendUnavailableError, match=r"finds no usable GPU .*nullptr"):
        build(RecordingTensorRT(refuses=("Builder",)))
