"""Times the differencing in PyTorch, eager and by torch.compile, on as many streams as the kernel has."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from engines.slot_state import MAP_SHAPE
from tests.gpu.device_clock import time_repeatedly
from tests.gpu.section import UnavailableError
from tests.gpu.stack import Stack
from tests.gpu.torch_difference import TorchRings, difference_maps, random_rings
from tests.gpu.torch_memory import CudaMemory, Memory

Way = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]


def torch_rivals(stack: Stack, streams: int, repeats: int) -> dict[str, Any]:
    """Raises UnavailableError where PyTorch sees no GPU."""
    if not torch.cuda.is_available():
        raise UnavailableError("PyTorch sees no GPU")
    compiled: Way = torch.compile(difference_maps, dynamic=False)
    ways = {"eager": difference_maps, "torch.compile": compiled}
    return {"version": torch.__version__, "ways": time_ways(stack, CudaMemory(), ways, streams, repeats)}


def time_ways(stack: Stack, memory: Memory, ways: dict[str, Way], streams: int, repeats: int) -> list[dict[str, Any]]:
    """Each on the device's own stream, so that the same clock times it."""
    rings = random_rings(streams, memory.device)
    places = torch.randperm(streams, device=memory.device)
    newest = torch.randn(streams, MAP_SHAPE[0], MAP_SHAPE[1] * MAP_SHAPE[2], device=memory.device, dtype=torch.float16)
    if memory.device.type == "cuda":
        torch.cuda.synchronize()
    entries = []
    with memory.on(stack.device.stream), torch.no_grad():
        for name, way in ways.items():
            work = functools.partial(_run, way, rings, places, newest)
            times = time_repeatedly(stack.device, stack.clock, work, repeats=repeats)
            entries.append({"way": name, "streams": streams, "times": asdict(times)})
    return entries


def _run(way: Way, rings: TorchRings, places: Tensor, newest: Tensor) -> None:
    way(rings.maps, rings.oldest, rings.run, places, newest)
