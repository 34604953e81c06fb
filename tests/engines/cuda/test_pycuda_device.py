"""What the device asks of pycuda, in a pycuda that only writes it down: the real one needs a GPU."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from engines.code_cache import CodeCache
from engines.cuda import launches
from engines.cuda.compile import KERNELS
from engines.cuda.pycuda_device import PycudaDevice
from engines.errors import BackendUnavailableError, DeviceError, DeviceMemoryError, EngineInputError


class FakeError(Exception):
    """pycuda.driver.Error"""


class FakeMemoryError(FakeError):
    """pycuda.driver.MemoryError, which is a pycuda error and no MemoryError of Python's."""


class FakeDriver(ModuleType):
    """pycuda.driver of a machine with one GPU. `failing`: what each named call raises. `calls`: what was asked."""

    Error, MemoryError = FakeError, FakeMemoryError

    def __init__(self, capability: tuple[int, int] = (9, 0)) -> None:
        super().__init__("pycuda.driver")
        self.capability = capability
        self.streams = 0
        self.failing: dict[str, Exception] = {}
        self.calls: list[tuple[Any, ...]] = []

    def note(self, *call: Any) -> None:
        self.calls.append(call)
        if call[0] in self.failing:
            raise self.failing[call[0]]

    def init(self) -> None:
        self.note("init")

    def get_driver_version(self) -> int:
        return 13010

    def Device(self, number: int) -> Any:  # noqa: N802 - pycuda's name
        context = SimpleNamespace(
            push=lambda: self.note("push"), pop=lambda: self.note("pop"), detach=lambda: self.note("detach")
        )
        return SimpleNamespace(
            name=lambda: f"GPU {number}",
            compute_capability=lambda: self.capability,
            retain_primary_context=lambda: context,
        )

    def Stream(self, flags: int) -> Any:  # noqa: N802 - pycuda's name
        """The first is the device's stream, the second the one for uploads aside."""
        assert flags == 1
        self.streams += 1
        number = 0x50 + self.streams
        return SimpleNamespace(
            handle=number,
            synchronize=lambda: self.note("synchronize", number),
            wait_for_event=lambda event: self.note("wait for event", number, event),
        )

    event_flags = SimpleNamespace(DISABLE_TIMING=2)

    def Event(self, flags: int) -> Any:  # noqa: N802 - pycuda's name
        assert flags == 2
        return SimpleNamespace(
            record=lambda stream: self.note("record", stream.handle), synchronize=lambda: self.note("event synchronize")
        )

    def module_from_buffer(self, content: bytes) -> Any:
        self.note("module_from_buffer", content)
        return SimpleNamespace(get_function=self._function)

    def _function(self, name: str) -> Any:
        return SimpleNamespace(
            prepare=lambda types: self.note("prepare", name, types),
            prepared_async_call=lambda grid, block, _stream, *arguments: self.note("call", grid, block, arguments),
        )

    def mem_alloc(self, size: int) -> Any:
        self.note("mem_alloc", size)
        return _Allocation(self)

    def memcpy_htod_async(self, address: int, array: Any, stream: Any) -> None:
        self.note("htod", address, array.nbytes, stream.handle)

    def memcpy_dtod_async(self, to: int, source: int, size: int, stream: Any) -> None:
        self.note("dtod", to, source, size, stream.handle)

    def memset_d8_async(self, address: int, value: int, count: int, _stream: Any) -> None:
        self.note("memset", address, value, count)


class _Allocation:
    def __init__(self, driver: FakeDriver) -> None:
        self._driver = driver

    def __int__(self) -> int:
        return 4096

    def free(self) -> None:
        self._driver.note("free")


def install(monkeypatch: pytest.MonkeyPatch, driver: FakeDriver) -> FakeDriver:
    package = ModuleType("pycuda")
    package.driver = driver  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pycuda", package)
    monkeypatch.setitem(sys.modules, "pycuda.driver", driver)
    return driver


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> FakeDriver:
    return install(monkeypatch, FakeDriver())


def test_shipped_kernels_are_loaded_into_the_primary_context(driver: FakeDriver) -> None:
    device = PycudaDevice()
    assert [call[0] for call in driver.calls] == ["init", "push", "module_from_buffer", "pop"]
    assert driver.calls[2][1] == (KERNELS / "kernels.fatbin").read_bytes()
    assert (device.name, device.stream) == ("GPU 0", 0x51)


def test_launch_packs_arguments_as_the_kernel_takes_them_and_prepares_once(driver: FakeDriver) -> None:
    device = PycudaDevice()
    driver.calls.clear()
    for rows in (300, 2):
        device.launch(launches.advance_runs(rows, records=1, places=2, continues=3, window=59))
    types = [np.dtype(np.uint64)] * 3 + [np.dtype(np.int32)] * 2
    assert driver.calls == [
        ("prepare", "advance_runs", types),
        ("call", (2, 1, 1), (256, 1, 1), (1, 2, 3, 59, 300)),
        ("call", (1, 1, 1), (256, 1, 1), (1, 2, 3, 59, 2)),
    ]


def test_memory_is_freed_once(driver: FakeDriver) -> None:
    device = PycudaDevice()
    first, second = device.allocate(512), device.allocate(256)
    assert (first.address, first.size_bytes, second.size_bytes) == (4096, 512, 256)
    device.zero(first)
    device.upload(first, np.zeros(128, np.float32))
    assert driver.calls[-2:] == [("memset", 4096, 0, 512), ("htod", 4096, 512, 0x51)]
    with pytest.raises(EngineInputError, match="do not fit"):
        device.upload(first, np.zeros(129, np.float32))
    driver.calls.clear()
    device.close()
    device.close()
    assert [call[0] for call in driver.calls] == ["push", "synchronize", "synchronize", "free", "pop", "detach"]


def test_a_mark_is_an_event_on_the_stream(driver: FakeDriver) -> None:
    device = PycudaDevice()
    device.wait(device.mark())
    assert driver.calls[-2:] == [("record", 0x51), ("event synchronize",)]
    driver.failing = {"event synchronize": FakeError("device lost")}
    with pytest.raises(DeviceError, match="device lost"):
        device.wait(device.mark())


def test_an_upload_aside_is_waited_for_by_the_stream_and_not_by_the_host(driver: FakeDriver) -> None:
    device = PycudaDevice()
    aside, frames = device.allocate(512), device.allocate(256)
    driver.calls.clear()
    mark = device.upload_aside(aside, np.zeros(256, np.uint8))
    device.follow(mark)
    device.copy(frames, aside, 256)
    assert driver.calls == [
        ("htod", aside.address, 256, 0x52),
        ("record", 0x52),
        ("wait for event", 0x51, mark),
        ("dtod", frames.address, aside.address, 256, 0x51),
    ]
    with pytest.raises(EngineInputError, match="do not fit"):
        device.copy(frames, aside, 257)
    device.synchronise()
    assert driver.calls[-2:] == [("synchronize", 0x52), ("synchronize", 0x51)]


def test_errors_are_told_apart(driver: FakeDriver) -> None:
    device = PycudaDevice()
    driver.failing = {
        "mem_alloc": FakeMemoryError("out of memory"),
        "call": FakeError("launch failed"),
        "synchronize": FakeError("device lost"),
    }
    with pytest.raises(DeviceMemoryError, match=r"GPU 0: 512 bytes cannot be allocated \(out of memory\)"):
        device.allocate(512)
    with pytest.raises(DeviceError, match=r"reset_records cannot be launched \(launch failed\)"):
        device.launch(launches.reset_records(1, records=1, places=2, window=3))
    with pytest.raises(DeviceError, match="device lost"):
        device.synchronise()
    device.close()
    assert driver.calls[-1] == ("detach",)


def test_context_is_left_where_no_kernels_load(
    driver: FakeDriver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "cuda", None)
    monkeypatch.setitem(sys.modules, "cuda.bindings", None)
    driver.failing = {"module_from_buffer": FakeError("no binary for this GPU")}
    with pytest.raises(BackendUnavailableError, match=r"sm_90: the driver refused.*nvcc is not on PATH.*NVRTC is not"):
        PycudaDevice(cache=CodeCache(tmp_path / "kernels"))
    assert [call[0] for call in driver.calls[-2:]] == ["pop", "detach"]
    assert [call[0] for call in driver.calls].count("push") == [call[0] for call in driver.calls].count("pop")


def test_context_is_popped_whatever_happens_in_it(driver: FakeDriver) -> None:
    """pycuda aborts the process when a thread ends with a context that it pushed."""
    device = PycudaDevice()
    driver.calls.clear()
    with pytest.raises(KeyError), device.current():
        raise KeyError
    assert [call[0] for call in driver.calls] == ["push", "pop"]


def test_machine_that_cannot_is_told_why(monkeypatch: pytest.MonkeyPatch) -> None:
    old = install(monkeypatch, FakeDriver((7, 0)))
    with pytest.raises(BackendUnavailableError, match=r"GPU 0 is too old \(compute capability 7.0\)"):
        PycudaDevice()
    old.failing = {"init": FakeError("no device")}
    with pytest.raises(BackendUnavailableError, match=r"no usable GPU \(no device\)"):
        PycudaDevice()
    monkeypatch.setitem(sys.modules, "pycuda", None)
    monkeypatch.setitem(sys.modules, "pycuda.driver", None)
    with pytest.raises(BackendUnavailableError, match="pycuda does not load"):
        PycudaDevice()
