"""The GPU at hand with what measuring needs of it: a device, its clock and captured work."""

from __future__ import annotations

from dataclasses import dataclass

from engines.cuda.device import Device
from engines.cuda.gpu import cuda_driver, find_gpu
from engines.cuda.pycuda_device import PycudaDevice
from engines.device_graphs import Capture
from engines.errors import BackendUnavailableError
from engines.tensorrt.captured_work import CapturedWork
from tests.gpu.device_clock import Clock, CudaClock
from tests.gpu.section import UnavailableError


@dataclass(frozen=True, slots=True)
class Stack:
    """A device, and how to time it and replay work on it."""

    device: Device
    clock: Clock
    capture: Capture


def open_gpu_stack() -> Stack:
    """Raises UnavailableError, saying what is missing."""
    try:
        driver = cuda_driver()
        find_gpu()
        device = PycudaDevice()
    except BackendUnavailableError as error:
        raise UnavailableError(str(error)) from None
    return Stack(device, CudaClock(driver, device.stream), CapturedWork(driver))
