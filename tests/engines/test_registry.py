"""Engines by name and by path, and what the status says about the backend."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from engines import registry
from engines.device_engine import DeviceEngine
from engines.errors import BackendUnavailableError, ModelFolderError, PlanBuildError
from engines.model_folder import ModelFolder
from engines.registry import DEFAULT_MODEL, available_models, find_model, load_engine
from engines.stage_clock import StageClock
from engines.tensorrt import device_loader


def test_auto_says_why_nothing_faster_runs(random_engine_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "find_gpu_trouble", lambda: "there is no NVIDIA driver")
    status = load_engine(str(random_engine_folder)).status
    assert (status.backend, status.precision) == ("onnx", "fp32, head int8")
    assert status.fallback_reason == "tensorrt: there is no NVIDIA driver"


def test_a_working_gpu_without_a_plan_says_why(random_engine_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(model: ModelFolder, clock: StageClock | None) -> DeviceEngine:
        raise PlanBuildError(f"TensorRT refuses {model.spec.name}")

    monkeypatch.setattr(registry, "find_gpu_trouble", lambda: None)
    monkeypatch.setattr(device_loader, "load_device_engine", refuse)
    status = load_engine(str(random_engine_folder)).status
    assert (status.backend, status.fallback_reason) == ("onnx", "tensorrt: TensorRT refuses random")


def test_wanted_backend_is_no_fallback(random_engine_folder: Path) -> None:
    assert load_engine(str(random_engine_folder), backend="onnx").status.fallback_reason is None


@pytest.mark.parametrize("backend", ["tensorrt", "quantum"])
def test_backend_that_cannot_run(random_engine_folder: Path, backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "find_gpu_trouble", lambda: "there is no NVIDIA driver")
    with pytest.raises(BackendUnavailableError, match="'onnx'"):
        load_engine(str(random_engine_folder), backend=backend)


def test_unknown_engine_names_the_shipped_ones() -> None:
    with pytest.raises(ModelFolderError, match=r"no engine 'nobody'.*shipped: "):
        load_engine("nobody")


def test_default_is_a_shipped_engine() -> None:
    if not available_models():
        pytest.skip("no engine is shipped yet")
    assert find_model("default").name == DEFAULT_MODEL
    assert DEFAULT_MODEL in available_models()


def test_engine_runs_without_torch(random_engine_folder: Path) -> None:
    """In a process of its own: load, step, and look which libraries came along."""
    program = (
        "import sys, numpy as np\n"
        "from engines.registry import load_engine\n"
        "engine = load_engine(sys.argv[1])\n"
        "engine.open(1)\n"
        "frames = np.zeros((1, 128, 128), np.uint8)\n"
        "engine.step(np.zeros(1, np.int32), frames, np.ones(1, np.bool_))\n"
        "print(sorted({'torch', 'training', 'guard', 'onnx', 'tensorrt'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(random_engine_folder)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
