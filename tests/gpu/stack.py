"""The GPU at hand with what measuring needs of it: a device, its clock, copies on it and captured work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engines.cuda.device import Device
from engines.cuda.pycuda_device import PycudaDevice
from engines.device_engine import Capture
from engines.errors import BackendUnavailableError
from engines.tensorrt.captured_work import CapturedWork
from engines.tensorrt.gpu import cuda_driver, find_gpu
from tests.gpu.device_clock import Clock, CudaClock
from tests.gpu.section import UnavailableError

Copy = Callable[[int, int, int], None]
"""(to address, from address, bytes): put a copy inside the device on its stream."""


@dataclass(frozen=True, slots=True)
class Stack:
    """A device, and how to time it, copy on it and replay work on it."""

    device: Device
    clock: Clock
    copy: Copy
    capture: Capture


def open_gpu_stack() -> Stack:
    """Raises UnavailableError, saying what is missing."""
    try:
        driver = cuda_driver()
        find_gpu()
        device = PycudaDevice()
    except BackendUnavailableError as error:
        raise UnavailableError(str(error)) from None
    return Stack(device, CudaClock(driver, device.stream), _copy_on(driver, device.stream), CapturedWork(driver))


def _copy_on(driver: Any, stream: int) -> Copy:
    def copy(to: int, source: int, size_bytes: int) -> None:
        (status,) = driver.cuMemcpyDtoDAsync(to, source, size_bytes, stream)
        if status != driver.CUresult.CUDA_SUCCESS:
            raise RuntimeError(f"cuMemcpyDtoDAsync failed ({status.name})")

    return copy
