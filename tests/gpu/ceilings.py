"""What the device reaches at best, measured in the same run as whatever is held against it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tests.gpu.device_clock import HostClock, Spread, time_repeatedly
from tests.gpu.stack import Stack

COPY_BYTES = 2**30
"""Many times any cache."""
UPLOAD_BYTES = 2**28
MATRIX_SIZE = 8192


@dataclass(frozen=True, slots=True)
class Rate:
    """per_second: bytes or floating-point operations, at the median time."""

    per_second: float
    times: Spread


def copy_rate(stack: Stack, *, size_bytes: int = COPY_BYTES, repeats: int = 30) -> Rate:
    """Of a copy inside the device: bytes read plus bytes written."""
    device = stack.device
    source, target = device.allocate(size_bytes), device.allocate(size_bytes)
    noise = np.random.default_rng(0).integers(0, 256, min(size_bytes, 2**26), np.uint8)
    device.upload(source, noise)
    times = time_repeatedly(device, stack.clock, lambda: device.copy(target, source, size_bytes), repeats=repeats)
    for buffer in (source, target):
        device.free(buffer)
    return Rate(2 * size_bytes / times.median_ms * 1000, times)


def upload_rate(stack: Stack, *, size_bytes: int = UPLOAD_BYTES, repeats: int = 30) -> Rate:
    """From page-locked host memory over the bus."""
    device = stack.device
    host, target = device.host_array((size_bytes,), np.uint8), device.allocate(size_bytes)
    host[:] = 1
    times = time_repeatedly(device, stack.clock, lambda: device.upload(target, host), repeats=repeats)
    device.free(target)
    return Rate(size_bytes / times.median_ms * 1000, times)


def staging_rate(stack: Stack, *, size_bytes: int = UPLOAD_BYTES, repeats: int = 10) -> Rate:
    """Of the processor copying frames from ordinary into page-locked memory, on one thread."""
    source, target = np.ones(size_bytes, np.uint8), stack.device.host_array((size_bytes,), np.uint8)
    clock = HostClock()
    times = time_repeatedly(stack.device, clock, lambda: np.copyto(target, source), repeats=repeats)
    return Rate(size_bytes / times.median_ms * 1000, times)
