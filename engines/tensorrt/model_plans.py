"""An engine folder's graphs as plans for the GPU at hand: from the cache, or compiled and put there."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass

from engines.code_cache import Cached, CacheKey, CodeCache
from engines.cuda.gpu import Gpu
from engines.errors import BackendUnavailableError, CodeCacheError
from engines.model_folder import ModelFolder
from engines.tensorrt.batch_buckets import BatchProfile
from engines.tensorrt.build_progress import BuildProgress
from engines.tensorrt.package import TensorRT
from engines.tensorrt.plan_builder import BUILD_RECIPE, BuiltPlan, build_plan
from engines.tensorrt.precision import Precision


@dataclass(frozen=True, slots=True)
class GraphPlan:
    """One plan. layers: None where it came from the cache. not_kept: why it could not be put there."""

    plan: bytes
    layers: int | None
    not_kept: str | None


@dataclass(frozen=True, slots=True)
class ModelPlans:
    """The three plans of an engine, and the batch sizes that they run.

    In fp16, maps, differences and slices are half. Frames are uint8; positions, moments and embeddings are float32.
    """

    precision: Precision
    profiles: tuple[BatchProfile, ...]
    backbone: GraphPlan
    head: GraphPlan
    embedding: GraphPlan


@dataclass(frozen=True, slots=True)
class Machine:
    """What plans are compiled with and for, and where they are kept."""

    tensorrt: TensorRT
    gpu: Gpu
    cache: CodeCache


def engine_graphs(model: ModelFolder, precision: Precision) -> dict[str, bytes]:
    """The graphs "backbone", "head" and "embedding" as TensorRT is to compile them.

    The embedding stays in fp32: it is a hundredth of the work, and takes the logarithm of small variances.
    Raises ModelFolderError for graphs that cannot be written so, BackendUnavailableError where `onnx` is missing.
    """
    try:
        from engines.tensorrt.graph_precision import graph_for
    except ImportError as error:
        raise BackendUnavailableError(
            f"the graphs cannot be prepared ({error}); install what is missing with: pip install 'whodrives[gpu]'"
        ) from None
    return {
        "backbone": graph_for(model.backbone, precision),
        "head": graph_for(model.head, precision, fp32_outputs=("position",)),
        "embedding": graph_for(model.embedding, "fp32"),
    }


def model_plans(
    model: ModelFolder,
    precision: Precision,
    profiles: tuple[BatchProfile, ...],
    machine: Machine,
    progress: BuildProgress,
    *,
    anew: bool = False,
) -> ModelPlans:
    """Plans for `machine`, compiled where the cache has none that can be trusted; progress says which and why.

    anew: compile whatever the cache has, since what it had did not load.
    Raises PlanBuildError, BackendUnavailableError or ModelFolderError where a graph cannot be compiled. A cache that
    cannot be used costs only time: see `GraphPlan.not_kept`.
    """
    plans = {}
    for name, graph in engine_graphs(model, precision).items():
        key = plan_key(model.spec.model_sha256, name, graph, precision, profiles, machine)
        plans[name] = kept_plan(key, graph, precision, profiles, machine, progress, anew=anew)
    return ModelPlans(precision, profiles, **plans)


def kept_plan(
    key: CacheKey,
    graph: bytes,
    precision: Precision,
    profiles: tuple[BatchProfile, ...],
    machine: Machine,
    progress: BuildProgress,
    *,
    anew: bool = False,
) -> GraphPlan:
    """One graph's plan; see `model_plans`."""
    found = Cached() if anew else machine.cache.load(key)
    if found.content is not None:
        progress.stage(f"{key.kind}: taken from {machine.cache.folder}")
        return GraphPlan(found.content, None, None)
    if found.refusal is not None:
        progress.stage(f"{key.kind}: a cached plan is refused: {found.refusal}")
    progress.stage(f"{key.kind}: building for {machine.gpu.name}")
    return _build(key, graph, precision, profiles, machine, progress)


def plan_key(
    model_sha256: str,
    name: str,
    graph: bytes,
    precision: Precision,
    profiles: tuple[BatchProfile, ...],
    machine: Machine,
) -> CacheKey:
    """Everything that a plan depends on; the graph's own hash covers the rewriting of `graph_precision` too.

    model_sha256: of what the graph belongs to.
    """
    ranges = " ".join(f"{batch.smallest}-{batch.usual}-{batch.largest}" for batch in profiles)
    graph_facts = {
        "recipe": BUILD_RECIPE,
        "graph": name,
        "graph_sha256": hashlib.sha256(graph).hexdigest(),
        "profiles": ranges,
    }
    facts = {"model_sha256": model_sha256, "precision": precision, **graph_facts, **_machine_facts(machine)}
    return CacheKey(f"{name}-{precision}", facts)


def timing_key(machine: Machine) -> CacheKey:
    """Of the timings that builds on this machine share."""
    return CacheKey("timings", _machine_facts(machine))


def _machine_facts(machine: Machine) -> dict[str, str]:
    return {
        "package": machine.tensorrt.name,
        "package_version": machine.tensorrt.version,
        "gpu": machine.gpu.name,
        "compute_capability": machine.gpu.compute_capability,
        "driver_cuda": machine.gpu.cuda,
    }


def _build(
    key: CacheKey,
    graph: bytes,
    precision: Precision,
    profiles: tuple[BatchProfile, ...],
    machine: Machine,
    progress: BuildProgress,
) -> GraphPlan:
    started = time.monotonic()
    built = build_plan(
        machine.tensorrt,
        graph,
        profiles,
        precision=precision,
        progress=progress,
        timing_cache=machine.cache.load(timing_key(machine)).content or b"",
        capabilities=machine.tensorrt.capabilities_at_hand,
    )
    seconds = time.monotonic() - started
    progress.stage(f"{key.kind}: {built.layers} layers, {len(built.plan) / 1e6:.1f} MB, in {seconds:.1f} s")
    return GraphPlan(built.plan, built.layers, _keep(key, built, machine))


def _keep(key: CacheKey, built: BuiltPlan, machine: Machine) -> str | None:
    try:
        machine.cache.store(key, built.plan)
        if built.timing_cache:
            machine.cache.store(timing_key(machine), built.timing_cache)
    except CodeCacheError as error:
        return str(error)
    return None
