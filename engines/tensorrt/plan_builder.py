"""Compiles one ONNX graph to a TensorRT plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engines.errors import BackendUnavailableError, PlanBuildError
from engines.tensorrt.batch_buckets import BatchProfile
from engines.tensorrt.build_progress import BuildProgress, progress_monitor
from engines.tensorrt.package import MessageLog, TensorRT, one_line
from engines.tensorrt.precision import Precision

BUILD_RECIPE = "1"
"""To be raised whenever the settings change that plans are built with, so that none of the old ones is taken."""


@dataclass(frozen=True, slots=True)
class BuiltPlan:
    """plan: what the runner loads. layers: of the network as it was parsed, before TensorRT fuses them.

    timing_cache: what was measured while building, for the next build; None where the version keeps none.
    """

    plan: bytes
    layers: int
    timing_cache: bytes | None


def build_plan(
    tensorrt: TensorRT,
    graph: bytes,
    profiles: tuple[BatchProfile, ...],
    *,
    precision: Precision,
    progress: BuildProgress,
    timing_cache: bytes = b"",
    capabilities: tuple[str, ...] = (),
) -> BuiltPlan:
    """Compile `graph`, which `graph_precision.graph_for` has written in that precision.

    capabilities: GPUs to build for ahead of time, as "SM89" (RTX only); none means the GPU at hand.
    Raises PlanBuildError where TensorRT refuses the graph, BackendUnavailableError where it cannot build here at all.
    """
    trt, log = tensorrt.module, MessageLog(tensorrt.module)
    builder = _builder(tensorrt, log)
    network = _parsed(tensorrt, builder, graph, log)
    config = builder.create_builder_config()
    tensorrt.hold_precision(network, config, precision)
    tensorrt.allow_capture(config)
    if capabilities:
        tensorrt.target(config, capabilities)
    for profile in profiles:
        config.add_optimization_profile(_optimization_profile(builder, network, profile))
    if tensorrt.keeps_timings:
        config.set_timing_cache(config.create_timing_cache(timing_cache), False)
    monitor = progress_monitor(trt, progress)
    if monitor is not None:
        config.progress_monitor = monitor
    progress.stage(f"compiling {network.num_layers} layers for {len(profiles)} ranges of batch size")
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise PlanBuildError(f"{_name(tensorrt)} cannot compile this graph ({_reasons(log.errors)}); {_ADVICE}")
    measured = bytes(config.get_timing_cache().serialize()) if tensorrt.keeps_timings else None
    return BuiltPlan(bytes(plan), network.num_layers, measured)


_ADVICE = "use the backend 'onnx', or another version of TensorRT"


def _builder(tensorrt: TensorRT, log: MessageLog) -> Any:
    try:
        return tensorrt.module.Builder(log.logger)
    except (TypeError, RuntimeError) as error:  # what its bindings raise where CUDA cannot be initialised
        reason = _reasons(log.errors) if log.errors else one_line(str(error))
        raise BackendUnavailableError(
            f"{_name(tensorrt)} finds no usable GPU ({reason}); check the driver with nvidia-smi"
        ) from None


def _parsed(tensorrt: TensorRT, builder: Any, graph: bytes, log: MessageLog) -> Any:
    network = builder.create_network(tensorrt.network_flags)
    parser = tensorrt.module.OnnxParser(network, log.logger)
    if not parser.parse(graph):
        messages = [one_line(parser.get_error(number).desc()) for number in range(parser.num_errors)]
        raise PlanBuildError(f"{_name(tensorrt)} cannot read this graph ({_reasons(messages)}); {_ADVICE}")
    return network


def _optimization_profile(builder: Any, network: Any, batches: BatchProfile) -> Any:
    profile = builder.create_optimization_profile()
    for tensor in (network.get_input(number) for number in range(network.num_inputs)):
        row = tuple(tensor.shape)[1:]
        profile.set_shape(tensor.name, (batches.smallest, *row), (batches.usual, *row), (batches.largest, *row))
    return profile


def _name(tensorrt: TensorRT) -> str:
    return f"{tensorrt.name} {tensorrt.version}"


def _reasons(messages: list[str]) -> str:
    return "; ".join(dict.fromkeys(messages)) or "it gave no reason"
