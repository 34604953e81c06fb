"""Times what a device engine puts on its stream, stage by stage, by wrapping the parts that it is made of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.cuda.delegating_device import DelegatingDevice
from engines.cuda.device import Buffer, Device, Launch
from engines.delegating_graph import DelegatingGraph
from engines.device_graphs import Capture, Graph
from tests.gpu.device_clock import Clock


class StageLog:
    """Marks around the stages of one step after another."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._marks: list[tuple[str, Any, Any]] = []
        self._steps: dict[str, list[float]] = defaultdict(list)

    def timed(self, stage: str, work: Callable[[], None]) -> None:
        """Do something between two marks."""
        begin = self._clock.mark()
        work()
        self._marks.append((stage, begin, self._clock.mark()))

    def end_step(self) -> None:
        """Note how long each stage took; the stream must be past it."""
        sums: dict[str, float] = defaultdict(float)
        for stage, begin, end in self._marks:
            sums[stage] += self._clock.milliseconds(begin, end)
        for stage, milliseconds in sums.items():
            self._steps[stage].append(milliseconds)
        self._marks.clear()

    def forget_steps(self) -> None:
        """Of warming up."""
        self._steps.clear()

    def medians_ms(self) -> dict[str, float]:
        """Of each stage, per step, in the order of a step."""
        return {stage: float(np.median(times)) for stage, times in self._steps.items()}


class TimedGraph(DelegatingGraph):
    """`Graph` that is captured by itself, so that its time is not that of launching its kernels one by one."""

    def __init__(self, graph: Graph, stage: str, log: StageLog, capture: Capture) -> None:
        super().__init__(graph)
        self._stage, self._log, self._capture = stage, log, capture

    def enqueue(self, rows: int, addresses: Mapping[str, int], stream: int) -> None:
        def work() -> None:
            self._capture.launch((self._stage, rows), stream, lambda: self._graph.enqueue(rows, addresses, stream))

        self._log.timed(self._stage, work)

    def close(self) -> None:
        self._capture.forget()
        super().close()


class TimedDevice(DelegatingDevice):
    """`Device` whose copies and launches on its stream are timed: "upload", "download", and the kernels by their names.

    Uploads aside, of the batches after a step's first, take no time of the stream.
    """

    def __init__(self, device: Device, log: StageLog) -> None:
        super().__init__(device)
        self._log = log

    def upload(self, buffer: Buffer, array: NDArray[Any]) -> None:
        self._log.timed("upload", lambda: self._device.upload(buffer, array))

    def download(self, array: NDArray[Any], buffer: Buffer) -> None:
        self._log.timed("download", lambda: self._device.download(array, buffer))

    def launch(self, launch: Launch) -> None:
        self._log.timed(launch.kernel, lambda: self._device.launch(launch))
