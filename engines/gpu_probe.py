"""Can the TensorRT backend run on this machine? Looked at from the driver upwards, so that the first thing missing is
the one that is named.

Neither pycuda nor TensorRT is imported before it is asked for: on a machine without them this module costs nothing.
"""

from __future__ import annotations

import ctypes
from importlib import import_module
from typing import Any

from engines.errors import BackendUnavailableError
from engines.tensorrt.package import find_tensorrt

MIN_COMPUTE_CAPABILITY = (7, 5)
"""Turing: the oldest that CUDA 13 and TensorRT 11 compile for."""

MIN_FREE_BYTES = 512 * 2**20
"""Of device memory. A batch of 64 frames writes about 130 MB of intermediates; the rest is for the weights, the plan
builder's workspace and the state of the first few hundred streams (0.4 MB each)."""

DRIVER_LIBRARY = "libcuda.so.1"

_INSTALL = "pip install 'whodrives[gpu]'"


def find_gpu_trouble() -> str | None:
    """Why the GPU cannot be used, in one clause; None where it can.

    Takes the device that CUDA numbers 0 (`CUDA_VISIBLE_DEVICES` chooses another).
    """
    try:
        cuda = _driver()
        device = _device(cuda)
        find_tensorrt()
        _check_memory(cuda, device)
    except BackendUnavailableError as trouble:
        return str(trouble)
    return None


def _driver() -> Any:
    """pycuda's driver module, initialised."""
    try:
        # pycuda is linked with it: without this question a missing driver would read like a broken pycuda.
        ctypes.CDLL(DRIVER_LIBRARY)
    except OSError:
        raise BackendUnavailableError(f"there is no NVIDIA driver ({DRIVER_LIBRARY} is not found)") from None
    cuda = _import("pycuda.driver")
    if cuda is None:
        raise BackendUnavailableError(f"pycuda is not installed ({_INSTALL})")
    try:
        cuda.init()
    except cuda.Error as error:
        raise BackendUnavailableError(f"the NVIDIA driver does not start ({error})") from None
    return cuda


def _device(cuda: Any) -> Any:
    try:
        if cuda.Device.count() == 0:
            raise BackendUnavailableError("the NVIDIA driver shows no GPU")
        device = cuda.Device(0)
        found = tuple(device.compute_capability())
    except cuda.Error as error:
        raise BackendUnavailableError(f"the GPU does not answer ({error})") from None
    if found < MIN_COMPUTE_CAPABILITY:
        raise BackendUnavailableError(
            f"{device.name()} is too old (compute capability {_dotted(found)}, "
            f"{_dotted(MIN_COMPUTE_CAPABILITY)} is needed)"
        )
    return device


def _check_memory(cuda: Any, device: Any) -> None:
    """Memory is only told inside a context: the primary one, which TensorRT uses as well."""
    try:
        context = device.retain_primary_context()
        context.push()
        try:
            free, _total = cuda.mem_get_info()
        finally:
            context.pop()
    except cuda.Error as error:
        raise BackendUnavailableError(f"{device.name()} takes no more work ({error})") from None
    if free < MIN_FREE_BYTES:
        raise BackendUnavailableError(
            f"{device.name()} has {free / 2**20:.0f} MiB of memory free, {MIN_FREE_BYTES / 2**20:.0f} MiB are needed "
            "(stop another program that uses it)"
        )


def _import(name: str) -> Any:
    """The module, or None where its package is not installed. Raises BackendUnavailableError where it does not load."""
    package = name.partition(".")[0]
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name == package:
            return None
        raise BackendUnavailableError(f"{package} does not load ({error})") from None
    except Exception as error:  # noqa: BLE001 - a binary package that meets other versions than it was built for
        raise BackendUnavailableError(f"{package} does not load ({error})") from None


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
