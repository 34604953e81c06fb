"""What a device reaches at best, on the device interface alone: the ceilings that stages are held against."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engines.cuda.device import Device
from engines.device_graphs import Graph

_REPEATS = 8
"""Pieces of work that are waited for together, so that starting and waiting weigh nothing."""
_SECONDS = 0.5
_ROWS = "left"


@dataclass(frozen=True, slots=True)
class DeviceCeilings:
    """A second, best of many. operations: of a half matrix product. copied_bytes: inside the device, read plus written.
    uploaded_bytes: over the bus, from page-locked memory."""

    operations: float
    copied_bytes: float
    uploaded_bytes: float


@dataclass(frozen=True, slots=True)
class Product:
    """A matrix product as a graph: "left" half (size, size) by constant halves to "product" half (size, size)."""

    graph: Graph
    size: int


def measure_ceilings(
    device: Device,
    product: Product,
    copy_bytes: int,
    upload_bytes: int,
    *,
    now: Callable[[], float] = time.perf_counter,
) -> DeviceCeilings:
    """Takes about two seconds. The device must be current, and have room for twice `copy_bytes` at a time.

    copy_bytes, upload_bytes: large against every cache. Raises DeviceError (DeviceMemoryError).
    """
    operations = 2 * product.size**3
    return DeviceCeilings(
        operations / _product_seconds(device, product, now),
        2 * copy_bytes / _copy_seconds(device, copy_bytes, now),
        upload_bytes / _upload_seconds(device, upload_bytes, now),
    )


def _product_seconds(device: Device, product: Product, now: Callable[[], float]) -> float:
    graph, size = product.graph, product.size
    buffers = {tensor.name: device.allocate(tensor.row_bytes * size) for tensor in graph.tensors}
    scratch = device.allocate(max(1, graph.scratch_bytes))
    graph.use_scratch(scratch.address, scratch.size_bytes)
    # Noise, since a processor multiplies zeros with less power and so at a higher clock.
    device.upload(buffers[_ROWS], np.random.default_rng(0).standard_normal((size, size), np.float32).astype(np.float16))
    addresses = {name: buffer.address for name, buffer in buffers.items()}
    seconds = _best_seconds(device, lambda: graph.enqueue(size, addresses, device.stream), now)
    for buffer in (*buffers.values(), scratch):
        device.free(buffer)
    return seconds


def _copy_seconds(device: Device, size_bytes: int, now: Callable[[], float]) -> float:
    source, target = device.allocate(size_bytes), device.allocate(size_bytes)
    device.zero(source)
    seconds = _best_seconds(device, lambda: device.copy(target, source, size_bytes), now)
    device.free(source)
    device.free(target)
    return seconds


def _upload_seconds(device: Device, size_bytes: int, now: Callable[[], float]) -> float:
    host, target = device.host_array((size_bytes,), np.uint8), device.allocate(size_bytes)
    host.fill(0)
    seconds = _best_seconds(device, lambda: device.upload(target, host), now)
    device.free(target)
    return seconds


def _best_seconds(device: Device, work: Callable[[], None], now: Callable[[], float]) -> float:
    """Of one piece of work. The first round does not count."""
    taken: list[float] = []
    end = now() + _SECONDS
    while len(taken) < 2 or now() < end:
        start = now()
        for _ in range(_REPEATS):
            work()
        device.synchronise()
        taken.append((now() - start) / _REPEATS)
    return min(taken[1:])
