"""Which GPU is at hand, as far as compiled code depends on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engines.errors import BackendUnavailableError

OLDEST_CAPABILITY = (7, 5)
"""Turing; older GPUs are known neither to the CUDA 13 compiler nor to TensorRT 10 and later."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """name: as the driver calls it. capability: of compute, as (9, 0). cuda: the newest CUDA that the driver runs, as
    "13.0", which tells driver branches apart."""

    name: str
    capability: tuple[int, int]
    cuda: str

    @property
    def compute_capability(self) -> str:
        """As NVIDIA writes it: "9.0"."""
        return "{}.{}".format(*self.capability)

    @property
    def architecture(self) -> int:
        """As compilers number it: 90 for compute capability 9.0."""
        return 10 * self.capability[0] + self.capability[1]


def find_gpu(device: int = 0) -> Gpu:
    """Ask the driver. Raises BackendUnavailableError where there is none, no such device, or one that is too old."""
    cuda = cuda_driver()
    ask = _Asker(cuda)
    ask(cuda.cuInit, 0)
    count = ask(cuda.cuDeviceGetCount)
    if device >= count:
        raise BackendUnavailableError(f"GPU {device} does not exist, the driver knows {count}; check with nvidia-smi")
    handle = ask(cuda.cuDeviceGet, device)
    name = ask(cuda.cuDeviceGetName, 256, handle).split(b"\0")[0].decode()
    attributes = cuda.CUdevice_attribute
    capability = (
        int(ask(cuda.cuDeviceGetAttribute, attributes.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, handle)),
        int(ask(cuda.cuDeviceGetAttribute, attributes.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, handle)),
    )
    version = int(ask(cuda.cuDriverGetVersion))
    gpu = Gpu(name, capability, cuda_release(version))
    if capability < OLDEST_CAPABILITY:
        raise BackendUnavailableError(
            f"{name} is too old (compute capability {gpu.compute_capability}, at least "
            f"{'{}.{}'.format(*OLDEST_CAPABILITY)} is needed); use the backend 'onnx'"
        )
    return gpu


def cuda_release(version: int) -> str:
    """CUDA's number for a version, 13020, as people write it: "13.2"."""
    return f"{version // 1000}.{version % 1000 // 10}"


def cuda_driver() -> Any:
    """NVIDIA's own bindings of the CUDA driver. Raises BackendUnavailableError where they are not installed."""
    try:
        from cuda.bindings import driver
    except ImportError as error:
        raise BackendUnavailableError(
            f"cuda-bindings does not load ({error}); install it with: pip install 'whodrives[gpu]'"
        ) from None
    return driver


class _Asker:
    """Calls the driver; what is not a success, or no driver at all, becomes BackendUnavailableError."""

    def __init__(self, cuda: Any) -> None:
        self._cuda = cuda

    def __call__(self, function: Any, *arguments: Any) -> Any:
        try:
            status, *answer = function(*arguments)
        except RuntimeError as error:  # the library of the driver is not there
            raise BackendUnavailableError(f"no CUDA driver is installed ({error}); check with nvidia-smi") from None
        if status != self._cuda.CUresult.CUDA_SUCCESS:
            raise BackendUnavailableError(f"the CUDA driver finds no usable GPU ({status.name}); check with nvidia-smi")
        return answer[0] if answer else None
