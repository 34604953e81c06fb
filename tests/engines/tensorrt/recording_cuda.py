"""No CUDA: a stand-in for `cuda.bindings.driver` that writes down its calls and answers as a given GPU would."""

from __future__ import annotations

import enum
from typing import Any, TypeAlias


class CUresult(enum.IntEnum):
    CUDA_SUCCESS = 0
    CUDA_ERROR_NO_DEVICE = 100
    CUDA_ERROR_STREAM_CAPTURE_INVALIDATED = 901


class CUstreamCaptureMode(enum.IntEnum):
    CU_STREAM_CAPTURE_MODE_THREAD_LOCAL = 1


class CUdevice_attribute(enum.IntEnum):  # noqa: N801 - NVIDIA's name
    CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR = 75
    CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR = 76


Result: TypeAlias = CUresult
Mode: TypeAlias = CUstreamCaptureMode
Attribute: TypeAlias = CUdevice_attribute


class RecordingCuda:
    """calls: name and arguments, in order. fails: names of functions, and with what."""

    CUresult = CUresult
    CUstreamCaptureMode = CUstreamCaptureMode
    CUdevice_attribute = CUdevice_attribute

    def __init__(self, capability: tuple[int, int] = (9, 0), fails: dict[str, Result] | None = None) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self._fails = fails or {}
        self._capability = capability
        self._instances = 0

    def cuInit(self, flags: int) -> tuple[Any, ...]:  # noqa: N802 - NVIDIA's name, as all below
        return self._answer("cuInit", flags)

    def cuDeviceGetCount(self) -> tuple[Any, ...]:  # noqa: N802
        return (*self._answer("cuDeviceGetCount"), 1)

    def cuDeviceGet(self, ordinal: int) -> tuple[Any, ...]:  # noqa: N802
        return (*self._answer("cuDeviceGet", ordinal), f"device {ordinal}")

    def cuDeviceGetName(self, length: int, device: str) -> tuple[Any, ...]:  # noqa: N802
        return (*self._answer("cuDeviceGetName", device), b"NVIDIA Stand-in\0\0\0")

    def cuDeviceGetAttribute(self, attribute: Attribute, device: str) -> tuple[Any, ...]:  # noqa: N802
        major = attribute is CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
        return (*self._answer("cuDeviceGetAttribute", device), self._capability[0 if major else 1])

    def cuDriverGetVersion(self) -> tuple[Any, ...]:  # noqa: N802
        return (*self._answer("cuDriverGetVersion"), 13010)

    def cuStreamBeginCapture(self, stream: int, mode: Mode) -> tuple[Any, ...]:  # noqa: N802
        return self._answer("cuStreamBeginCapture", stream, mode)

    def cuStreamEndCapture(self, stream: int) -> tuple[Any, ...]:  # noqa: N802
        return (*self._answer("cuStreamEndCapture", stream), "captured")

    def cuGraphInstantiate(self, graph: str, flags: int) -> tuple[Any, ...]:  # noqa: N802
        self._instances += 1
        return (*self._answer("cuGraphInstantiate", graph, flags), f"graph {self._instances}")

    def cuGraphDestroy(self, graph: str) -> tuple[Any, ...]:  # noqa: N802
        return self._answer("cuGraphDestroy", graph)

    def cuGraphLaunch(self, graph: str, stream: int) -> tuple[Any, ...]:  # noqa: N802
        return self._answer("cuGraphLaunch", graph, stream)

    def cuGraphExecDestroy(self, graph: str) -> tuple[Any, ...]:  # noqa: N802
        return self._answer("cuGraphExecDestroy", graph)

    def _answer(self, name: str, *arguments: Any) -> tuple[Result]:
        self.calls.append((name, *arguments))
        return (self._fails.get(name, CUresult.CUDA_SUCCESS),)
