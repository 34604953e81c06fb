"""What the driver is asked, and what is said where there is none."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from engines.cuda import gpu
from engines.cuda.gpu import Gpu, find_gpu
from engines.errors import BackendUnavailableError
from tests.engines.tensorrt.recording_cuda import CUresult, RecordingCuda


def _use(monkeypatch: pytest.MonkeyPatch, cuda: RecordingCuda) -> None:
    monkeypatch.setattr(gpu, "cuda_driver", lambda: cuda)


def test_a_gpu_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    _use(monkeypatch, RecordingCuda((9, 0)))
    found = find_gpu()
    assert found == Gpu("NVIDIA Stand-in", (9, 0), "13.1")
    assert found.compute_capability == "9.0"


def test_no_device_too_old_a_device_and_one_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    _use(monkeypatch, RecordingCuda(fails={"cuInit": CUresult.CUDA_ERROR_NO_DEVICE}))
    with pytest.raises(BackendUnavailableError, match="CUDA_ERROR_NO_DEVICE"):
        find_gpu()
    _use(monkeypatch, RecordingCuda((7, 0)))
    with pytest.raises(BackendUnavailableError, match=r"too old \(compute capability 7\.0, at least 7\.5"):
        find_gpu()
    _use(monkeypatch, RecordingCuda())
    with pytest.raises(BackendUnavailableError, match="GPU 1 does not exist"):
        find_gpu(1)


def test_no_driver_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoLibrary(RecordingCuda):
        def cuInit(self, flags: int) -> tuple[object, ...]:  # noqa: N802 - NVIDIA's name
            raise RuntimeError("libcuda.so.1 was not found")

    _use(monkeypatch, NoLibrary())
    with pytest.raises(BackendUnavailableError, match=r"no CUDA driver is installed .* check with nvidia-smi"):
        find_gpu()


def test_no_bindings_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cuda", ModuleType("cuda"))
    monkeypatch.delitem(sys.modules, "cuda.bindings", raising=False)
    with pytest.raises(BackendUnavailableError, match=r"whodrives\[gpu\]"):
        gpu.cuda_driver()
