"""How near the differencing kernel comes to a plain copy, and how far ahead of PyTorch it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from tests.gpu.ceilings import COPY_BYTES, copy_rate
from tests.gpu.device_clock import time_repeatedly
from tests.gpu.difference_load import BYTES_PER_ROW, DifferenceLoad
from tests.gpu.section import UnavailableError
from tests.gpu.stack import Stack

LOADS = ((1024, 1024), (1024, 256), (4096, 4096), (4096, 256))
"""Streams, and rows of one launch; 256 is the engine's largest batch."""
RIVAL_STREAMS = 1024
REPEATS = 60

Rivals = Callable[[Stack, int, int], dict[str, Any]]


def measure_bandwidth(
    stack: Stack,
    rivals: Rivals,
    *,
    loads: tuple[tuple[int, int], ...] = LOADS,
    rival_streams: int = RIVAL_STREAMS,
    copy_bytes: int = COPY_BYTES,
    repeats: int = REPEATS,
) -> dict[str, Any]:
    """The copy is measured before and after the kernel; the faster of the two is the ceiling.

    rivals: measures PyTorch (stack, streams, repeats), or raises UnavailableError.
    """
    before = copy_rate(stack, size_bytes=copy_bytes, repeats=repeats)
    kernel = [_kernel(stack, streams, rows, repeats) for streams, rows in loads]
    after = copy_rate(stack, size_bytes=copy_bytes, repeats=repeats)
    ceiling = max(before.per_second, after.per_second)
    for entry in kernel:
        entry["share_of_copy"] = entry["bytes_per_second"] / ceiling
    values: dict[str, Any] = {
        "device": stack.device.name,
        "bytes_per_row": BYTES_PER_ROW,
        "copy": {"bytes": copy_bytes, "before": asdict(before), "after": asdict(after), "per_second": ceiling},
        "kernel": kernel,
    }
    try:
        values["pytorch"] = rivals(stack, rival_streams, repeats)
    except UnavailableError as error:
        values["pytorch_unavailable"] = str(error)
    else:
        own = next(entry["times"]["median_ms"] for entry in kernel if entry["streams"] == rival_streams)
        for entry in values["pytorch"]["ways"]:
            entry["kernel_is_faster_by"] = entry["times"]["median_ms"] / own
    return values


def _kernel(stack: Stack, streams: int, rows: int, repeats: int) -> dict[str, Any]:
    load = DifferenceLoad(stack.device, streams, rows)
    times = time_repeatedly(stack.device, stack.clock, load.launch, repeats=repeats)
    load.close()
    return {
        "streams": streams,
        "rows_per_launch": rows,
        "bytes_moved": load.bytes_moved,
        "bytes_per_second": load.bytes_moved / times.median_ms * 1000,
        "times": asdict(times),
    }
