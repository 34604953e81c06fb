"""Time as the device sees it: marks on a stream, and how far apart they were reached."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from engines.cuda.device import Device


class Clock(Protocol):
    """Of one stream."""

    def mark(self) -> Any:
        """A mark behind everything that is on the stream now."""

    def milliseconds(self, begin: Any, end: Any) -> float:
        """Between two marks that the stream is past (`Device.synchronise`)."""


class HostClock:
    """For a device that is through with its work when a call returns."""

    def mark(self) -> float:
        return time.perf_counter()

    def milliseconds(self, begin: float, end: float) -> float:
        return (end - begin) * 1000


class CudaClock:
    """By CUDA events. driver: `cuda.bindings.driver`."""

    def __init__(self, driver: Any, stream: int) -> None:
        self._driver, self._stream = driver, stream

    def mark(self) -> Any:
        (event,) = self._ask(self._driver.cuEventCreate, 0)
        self._ask(self._driver.cuEventRecord, event, self._stream)
        return event

    def milliseconds(self, begin: Any, end: Any) -> float:
        (elapsed,) = self._ask(self._driver.cuEventElapsedTime, begin, end)
        return float(elapsed)

    def _ask(self, function: Any, *arguments: Any) -> tuple[Any, ...]:
        status, *answer = function(*arguments)
        if status != self._driver.CUresult.CUDA_SUCCESS:
            raise RuntimeError(f"{function.__name__} failed ({status.name})")
        return tuple(answer)


@dataclass(frozen=True, slots=True)
class Spread:
    """Of repeated times, in milliseconds."""

    repeats: int
    median_ms: float
    p05_ms: float
    p95_ms: float
    min_ms: float
    max_ms: float


def spread_of(times_ms: list[float]) -> Spread:
    """Raises ValueError where there are none."""
    if not times_ms:
        raise ValueError("no times to describe")
    p05, median, p95 = (float(value) for value in np.percentile(times_ms, (5, 50, 95)))
    return Spread(len(times_ms), median, p05, p95, min(times_ms), max(times_ms))


def time_repeatedly(
    device: Device, clock: Clock, work: Callable[[], None], *, repeats: int, warm_up: int = 5
) -> Spread:
    """Put `work` on the device's stream again and again, without waiting in between, and time each."""
    for _ in range(warm_up):
        work()
    marks = []
    for _ in range(repeats):
        begin = clock.mark()
        work()
        marks.append((begin, clock.mark()))
    device.synchronise()
    return spread_of([clock.milliseconds(begin, end) for begin, end in marks])
