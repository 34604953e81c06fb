"""What the probe says where something is missing, from the driver up; stand-ins play driver and packages."""

from __future__ import annotations

import ctypes
import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from engines import gpu_probe
from engines.gpu_probe import MIN_FREE_BYTES, find_gpu_trouble


class CudaError(Exception):
    """Stands for pycuda.driver.Error."""


class Gpu:
    """A machine with one healthy GPU and everything installed, as pycuda shows it; a test takes something away."""

    def __init__(self) -> None:
        self.capability = (9, 0)
        self.devices = 1
        self.free_bytes = 10 * MIN_FREE_BYTES
        self.init_error: Exception | None = None
        self.context_error: Exception | None = None
        self.contexts = 0

    def init(self) -> None:
        if self.init_error is not None:
            raise self.init_error

    def count(self) -> int:
        return self.devices

    def __call__(self, number: int) -> Gpu:
        """`Device(0)`."""
        assert number == 0
        return self

    def name(self) -> str:
        return "NVIDIA H100"

    def compute_capability(self) -> tuple[int, int]:
        return self.capability

    def retain_primary_context(self) -> Gpu:
        if self.context_error is not None:
            raise self.context_error
        return self

    def push(self) -> None:
        self.contexts += 1

    def pop(self) -> None:
        self.contexts -= 1

    def mem_get_info(self) -> tuple[int, int]:
        assert self.contexts == 1
        return self.free_bytes, 80 * 2**30


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Gpu:
    gpu = Gpu()
    driver: Any = ModuleType("pycuda.driver")
    tensorrt: Any = ModuleType("tensorrt")
    tensorrt.__version__ = "11.4"
    driver.Error, driver.init, driver.Device, driver.mem_get_info = CudaError, gpu.init, gpu, gpu.mem_get_info
    monkeypatch.setattr(ctypes, "CDLL", lambda name: name)
    for name, module in {
        "pycuda": ModuleType("pycuda"),
        "pycuda.driver": driver,
        "tensorrt": tensorrt,
        "tensorrt_rtx": None,
    }.items():
        monkeypatch.setitem(sys.modules, name, module)
    return gpu


_import_module = importlib.import_module


def _replace_import(monkeypatch: pytest.MonkeyPatch, import_module: Callable[[str], ModuleType]) -> None:
    monkeypatch.setattr(gpu_probe, "import_module", import_module)
    monkeypatch.setattr(importlib, "import_module", import_module)


def without(name: str) -> Callable[[pytest.MonkeyPatch, Gpu], None]:
    """This package is not installed."""

    def take_away(monkeypatch: pytest.MonkeyPatch, _gpu: Gpu) -> None:
        def import_module(wanted: str) -> ModuleType:
            if wanted.partition(".")[0] in (name, "tensorrt_rtx"):
                raise ModuleNotFoundError(f"No module named {name!r}", name=wanted.partition(".")[0])
            return _import_module(wanted)

        _replace_import(monkeypatch, import_module)

    return take_away


def broken(name: str, error: Exception) -> Callable[[pytest.MonkeyPatch, Gpu], None]:
    """This package is installed and cannot be imported."""

    def take_away(monkeypatch: pytest.MonkeyPatch, _gpu: Gpu) -> None:
        def import_module(wanted: str) -> ModuleType:
            if wanted.partition(".")[0] == name:
                raise error
            return _import_module(wanted)

        _replace_import(monkeypatch, import_module)

    return take_away


def no_library(monkeypatch: pytest.MonkeyPatch, _gpu: Gpu) -> None:
    def missing(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", missing)


def having(**changes: object) -> Callable[[pytest.MonkeyPatch, Gpu], None]:
    """A machine of which something is different."""

    def change(monkeypatch: pytest.MonkeyPatch, gpu: Gpu) -> None:
        for name, value in changes.items():
            monkeypatch.setattr(gpu, name, value)

    return change


def test_a_machine_that_has_everything_has_no_trouble(gpu: Gpu) -> None:
    assert find_gpu_trouble() is None
    assert gpu.contexts == 0


def test_the_package_for_rtx_does_where_the_full_one_does_not_load(gpu: Gpu, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", ModuleType("tensorrt_rtx"))
    broken("tensorrt", ImportError("libnvinfer.so.11"))(monkeypatch, gpu)
    assert find_gpu_trouble() is None


@pytest.mark.parametrize(
    ("take_away", "says"),
    [
        (no_library, "there is no NVIDIA driver (libcuda.so.1 is not found)"),
        (without("pycuda"), "pycuda is not installed (pip install 'whodrives[gpu]')"),
        (broken("pycuda", ImportError("undefined symbol: cuArrayCreate_v2")), "pycuda does not load (undefined symbol"),
        (
            broken("pycuda", ModuleNotFoundError("No module named 'pytools'", name="pytools")),
            "pycuda does not load (No module named 'pytools')",
        ),
        (having(init_error=CudaError("no device")), "the NVIDIA driver does not start (no device)"),
        (having(devices=0), "the NVIDIA driver shows no GPU"),
        (having(capability=(7, 0)), "NVIDIA H100 is too old (compute capability 7.0, 7.5 is needed)"),
        (having(capability=(6, 9)), "NVIDIA H100 is too old"),
        (
            without("tensorrt"),
            "tensorrt is not installed, tensorrt_rtx is not installed (pip install 'whodrives[gpu]')",
        ),
        (broken("tensorrt", AttributeError("np.bool")), "tensorrt does not load (np.bool)"),
        (having(context_error=CudaError("out of memory")), "NVIDIA H100 takes no more work (out of memory)"),
        (having(free_bytes=MIN_FREE_BYTES - 2**20), "NVIDIA H100 has 511 MiB of memory free, 512 MiB are needed"),
    ],
)
def test_the_first_thing_missing_is_named(
    gpu: Gpu, monkeypatch: pytest.MonkeyPatch, take_away: Callable[[pytest.MonkeyPatch, Gpu], None], says: str
) -> None:
    take_away(monkeypatch, gpu)
    trouble = find_gpu_trouble()
    assert trouble is not None
    assert trouble.startswith(says)
    assert ";" not in trouble
    assert gpu.contexts == 0


@pytest.mark.parametrize("capability", [(7, 5), (8, 0), (12, 1)])
def test_newer_gpus_will_do(gpu: Gpu, capability: tuple[int, int]) -> None:
    gpu.capability = capability
    assert find_gpu_trouble() is None
