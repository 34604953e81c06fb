"""The parts of a device engine under a stopwatch.

A device works on while the host goes ahead, so each call is waited for before the next one starts, and nothing is
captured. Such a step is slower than one in use: the stages say how the work is shared out, not what a step takes.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

from numpy.typing import NDArray

from engines.cuda.delegating_device import DelegatingDevice
from engines.cuda.device import Buffer, Device, Launch
from engines.delegating_graph import DelegatingGraph
from engines.device_graphs import Capture, DeviceGraphs, Graph
from engines.stage_clock import StageClock

_STAGE_OF_KERNEL = {
    "advance_runs": "difference",
    "measure_flow": "flow",
    "difference_maps": "difference",
    "reset_records": "ring",
    "gather_slices": "ring",
    "push_slices": "ring",
    "push_positions": "ring",
}


def watched_parts(device: Device, graphs: DeviceGraphs, clock: StageClock) -> tuple[Device, DeviceGraphs, Capture]:
    """What `DeviceEngine` takes, each call counted to one of: upload, backbone, difference, flow, ring, head,
    embedding, download."""
    watched = DeviceGraphs(
        _WatchedGraph("backbone", graphs.backbone, device, clock),
        _WatchedGraph("head", graphs.head, device, clock),
        _WatchedGraph("embedding", graphs.embedding, device, clock),
    )
    return _WatchedDevice(device, clock), watched, EachTimeAnew()


class _WatchedDevice(DelegatingDevice):
    def __init__(self, device: Device, clock: StageClock) -> None:
        super().__init__(device)
        wait = device.synchronise
        self._upload = clock.timed("upload", device.upload, settle=wait)
        self._upload_aside = clock.timed("upload", device.upload_aside, settle=wait)
        self._copy = clock.timed("upload", device.copy, settle=wait)
        self._download = clock.timed("download", device.download, settle=wait)
        self._launch = {
            kernel: clock.timed(stage, device.launch, settle=wait) for kernel, stage in _STAGE_OF_KERNEL.items()
        }

    def upload(self, buffer: Buffer, array: NDArray[Any]) -> None:
        self._upload(buffer, array)

    def upload_aside(self, buffer: Buffer, array: NDArray[Any]) -> object:
        return self._upload_aside(buffer, array)

    def copy(self, to: Buffer, source: Buffer, size_bytes: int) -> None:
        self._copy(to, source, size_bytes)

    def download(self, array: NDArray[Any], buffer: Buffer) -> None:
        self._download(array, buffer)

    def launch(self, launch: Launch) -> None:
        self._launch[launch.kernel](launch)


class _WatchedGraph(DelegatingGraph):
    def __init__(self, stage: str, graph: Graph, device: Device, clock: StageClock) -> None:
        super().__init__(graph)
        self._enqueue = clock.timed(stage, graph.enqueue, settle=device.synchronise)

    def enqueue(self, rows: int, addresses: Mapping[str, int], stream: int) -> None:
        self._enqueue(rows, addresses, stream)


class EachTimeAnew:
    """`engines.device_graphs.Capture` that captures nothing, since a captured graph has no stages."""

    def launch(self, key: Hashable, stream: int, enqueue: Callable[[], None]) -> None:  # noqa: ARG002
        enqueue()

    def forget(self) -> None:
        pass
