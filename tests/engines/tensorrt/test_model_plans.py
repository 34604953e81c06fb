"""Plans from the cache, built anew where they are not trusted; TensorRT and the GPU are stand-ins."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engines.code_cache import CodeCache
from engines.cuda.gpu import Gpu
from engines.model_folder import ModelFolder, read_model_folder
from engines.registry import find_model
from engines.tensorrt.batch_buckets import batch_buckets, batch_profiles
from engines.tensorrt.model_plans import Machine, ModelPlans, model_plans, plan_key
from engines.tensorrt.precision import Precision
from tests.engines.tensorrt.kept_progress import KeptProgress
from tests.engines.tensorrt.recording_tensorrt import RecordingTensorRT

PROFILES = batch_profiles(batch_buckets())
GPU = Gpu("NVIDIA Stand-in", (9, 0), "13.1")


@pytest.fixture(scope="module")
def model() -> ModelFolder:
    """The shipped engine."""
    return read_model_folder(find_model("default"))


@pytest.fixture
def tensorrt() -> RecordingTensorRT:
    return RecordingTensorRT()


@pytest.fixture
def machine(tensorrt: RecordingTensorRT, tmp_path: Path) -> Machine:
    """An empty cache and stand-ins."""
    return Machine(tensorrt.package, GPU, CodeCache(tmp_path / "plans"))


def plans(model: ModelFolder, machine: Machine, precision: Precision = "fp16") -> tuple[ModelPlans, str]:
    progress = KeptProgress()
    return model_plans(model, precision, PROFILES, machine, progress), "\n".join(progress.stages)


def test_plans_are_built_once(model: ModelFolder, machine: Machine, tensorrt: RecordingTensorRT) -> None:
    built, said = plans(model, machine)
    assert [plan.layers for plan in (built.backbone, built.head, built.embedding)] == [4, 4, 4]
    assert "backbone-fp16: building for NVIDIA Stand-in" in said
    tensorrt.calls.clear()
    kept, said = plans(model, machine)
    assert tensorrt.calls == []
    assert (kept.backbone.plan, kept.backbone.layers, kept.backbone.not_kept) == (b"plan", None, None)
    assert said.count("taken from") == 3


def test_plans_that_did_not_load_are_built_anew(
    model: ModelFolder, machine: Machine, tensorrt: RecordingTensorRT
) -> None:
    plans(model, machine)
    tensorrt.calls.clear()
    anew = model_plans(model, "fp16", PROFILES, machine, KeptProgress(), anew=True)
    assert len(tensorrt.named("build_serialized_network")) == 3
    assert anew.head.layers == 4


def test_timings_of_earlier_builds_are_used(model: ModelFolder, machine: Machine, tensorrt: RecordingTensorRT) -> None:
    plans(model, machine)
    assert tensorrt.named("create_timing_cache") == [
        ("create_timing_cache", b""),
        ("create_timing_cache", b"timings"),
        ("create_timing_cache", b"timings"),
    ]


def test_an_altered_plan_is_refused_and_rebuilt(
    model: ModelFolder, machine: Machine, tensorrt: RecordingTensorRT
) -> None:
    plans(model, machine)
    for plan in machine.cache.folder.glob("backbone-*.bin"):
        plan.write_bytes(b"evil")
    tensorrt.calls.clear()
    rebuilt, said = plans(model, machine)
    assert "backbone-fp16: a cached plan is refused: " in said
    assert "was altered" in said
    assert len(tensorrt.named("build_serialized_network")) == 1
    assert rebuilt.backbone.plan == b"plan"
    assert plans(model, machine)[1].count("taken from") == 3


@pytest.mark.parametrize(
    "changed",
    [
        {"gpu": Gpu("NVIDIA L4", (9, 0), "13.1")},
        {"gpu": Gpu("NVIDIA Stand-in", (8, 9), "13.1")},
        {"gpu": Gpu("NVIDIA Stand-in", (9, 0), "13.2")},
        {"tensorrt": RecordingTensorRT("8.6").package},
        {"tensorrt": RecordingTensorRT("rtx").package},
    ],
)
def test_another_machine_has_other_plans(machine: Machine, changed: dict[str, object]) -> None:
    other = replace(machine, **changed)  # type: ignore[arg-type]  # mypy knows no fields in a dict
    names = {plan_key("a" * 64, "head", b"graph", "fp16", PROFILES, here).file_name for here in (machine, other)}
    assert len(names) == 2


def test_model_graph_precision_and_profiles_are_part_of_the_key(machine: Machine) -> None:
    keys = [
        plan_key("a" * 64, "head", b"graph", "fp16", PROFILES, machine),
        plan_key("b" * 64, "head", b"graph", "fp16", PROFILES, machine),
        plan_key("a" * 64, "backbone", b"graph", "fp16", PROFILES, machine),
        plan_key("a" * 64, "head", b"other graph", "fp16", PROFILES, machine),
        plan_key("a" * 64, "head", b"graph", "fp32", PROFILES, machine),
        plan_key("a" * 64, "head", b"graph", "fp16", PROFILES[:1], machine),
    ]
    assert len({key.file_name for key in keys}) == len(keys)


def test_a_cache_that_others_may_write_to_costs_only_time(
    model: ModelFolder, machine: Machine, tensorrt: RecordingTensorRT
) -> None:
    machine.cache.folder.mkdir(mode=0o777)
    machine.cache.folder.chmod(0o777)
    for _ in range(2):
        built, _ = plans(model, machine)
        assert built.head.plan == b"plan"
        assert "chmod 700" in str(built.head.not_kept)
    assert len(tensorrt.named("build_serialized_network")) == 6
    assert list(machine.cache.folder.iterdir()) == []
