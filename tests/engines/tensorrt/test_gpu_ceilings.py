"""The product that sets the ceiling: compiled once, kept as every plan is; TensorRT and the GPU are stand-ins."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.code_cache import CodeCache
from engines.cuda.gpu import Gpu
from engines.tensorrt import gpu_ceilings
from engines.tensorrt.gpu_ceilings import product_plan
from engines.tensorrt.model_plans import Machine
from tests.engines.tensorrt.kept_progress import KeptProgress
from tests.engines.tensorrt.recording_tensorrt import RecordingTensorRT


def test_the_product_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx")
    monkeypatch.setattr(gpu_ceilings, "PRODUCT_SIZE", 64)
    tensorrt, progress = RecordingTensorRT(), KeptProgress()
    machine = Machine(tensorrt.package, Gpu("NVIDIA Stand-in", (9, 0), "13.1"), CodeCache(tmp_path / "plans"))
    assert product_plan(machine, progress) == b"plan"
    tensorrt.calls.clear()
    assert product_plan(machine, progress) == b"plan"
    assert tensorrt.calls == []
    assert progress.stages[0] == "product-fp16: building for NVIDIA Stand-in"
    assert progress.stages[-1].startswith("product-fp16: taken from")
