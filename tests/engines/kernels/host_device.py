"""The kernels compiled for the host by g++, and the `Device` that runs them there."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

import engines
from engines.cuda.device import Buffer, Extent, Launch
from engines.errors import DeviceMemoryError, EngineInputError

KERNELS = Path(engines.__file__).parent / "kernels"
HERE = Path(__file__).parent
MOST_ARGUMENTS = 16

OPTIMISED = ("-O2",)
SANITIZED = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined")

_Extent = ctypes.c_uint * 3


def missing_compiler() -> str | None:
    """Why the kernels cannot be compiled for this host, or None where they can."""
    return None if shutil.which("g++") else "no g++ to compile the kernels for the host"


def build_host_library(folder: Path, options: tuple[str, ...] = OPTIMISED) -> Path:
    """Compile the kernels and the shim into `folder`."""
    library = folder / "libhost_kernels.so"
    # Kernels read 16-byte vectors through pointers to halves.
    command = ["g++", "-std=c++20", *options, "-fno-strict-aliasing", "-Wall", "-Wextra", "-Wno-unknown-pragmas"]
    command += ["-shared", "-fPIC", "-I", str(KERNELS), str(HERE / "host_kernels.cpp"), "-o", str(library)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    return library


class HostDevice:
    """`engines.cuda.device.Device` on the host. New memory is full of NaN, so that none is taken for zeros.

    capacity_bytes: what the device pretends to have.
    """

    def __init__(self, library: Path, capacity_bytes: int = 2**40) -> None:
        self._library = ctypes.CDLL(str(library))
        self._library.host_allocate.restype = ctypes.c_void_p
        self._library.host_allocate.argtypes = [ctypes.c_size_t]
        self._library.host_free.argtypes = [ctypes.c_void_p]
        self._buffers: dict[int, Buffer] = {}
        self._capacity = capacity_bytes

    @property
    def name(self) -> str:
        return "host"

    def current(self) -> AbstractContextManager[None]:
        return nullcontext()

    @property
    def stream(self) -> int:
        return 0

    @property
    def allocated_bytes(self) -> int:
        """In buffers that have not been freed."""
        return sum(buffer.size_bytes for buffer in self._buffers.values())

    def allocate(self, size_bytes: int) -> Buffer:
        if self.allocated_bytes + size_bytes > self._capacity:
            raise DeviceMemoryError(f"the host device has no {size_bytes} bytes left")
        buffer = Buffer(self._library.host_allocate(size_bytes), size_bytes)
        self._buffers[buffer.address] = buffer
        ctypes.memset(buffer.address, 0xFF, size_bytes)
        return buffer

    def free(self, buffer: Buffer) -> None:
        del self._buffers[buffer.address]
        self._library.host_free(buffer.address)

    def zero(self, buffer: Buffer) -> None:
        ctypes.memset(buffer.address, 0, buffer.size_bytes)

    def upload(self, buffer: Buffer, array: NDArray[Any]) -> None:
        self._check(buffer, array)
        ctypes.memmove(buffer.address, array.ctypes.data, array.nbytes)

    def download(self, array: NDArray[Any], buffer: Buffer) -> None:
        self._check(buffer, array)
        ctypes.memmove(array.ctypes.data, buffer.address, array.nbytes)

    def upload_aside(self, buffer: Buffer, array: NDArray[Any]) -> object:
        self.upload(buffer, array)
        return None

    def follow(self, mark: object) -> None:
        pass

    def copy(self, to: Buffer, source: Buffer, size_bytes: int) -> None:
        assert self._buffers.get(to.address) == to, "memory that was freed"
        assert self._buffers.get(source.address) == source, "memory that was freed"
        if size_bytes > min(to.size_bytes, source.size_bytes):
            raise EngineInputError(f"{size_bytes} bytes do not fit {source.size_bytes} to {to.size_bytes}")
        ctypes.memmove(to.address, source.address, size_bytes)

    def launch(self, launch: Launch) -> None:
        name = launch.kernel.encode()
        sizes = (ctypes.c_uint64 * MOST_ARGUMENTS)()
        count = self._library.host_argument_sizes(name, sizes)
        assert [argument.nbytes for argument in launch.arguments] == sizes[: max(count, 0)], launch
        values = [np.array(argument) for argument in launch.arguments]
        pointers = (ctypes.c_void_p * len(values))(*(value.ctypes.data for value in values))
        self._library.host_launch(name, _extent(launch.grid), _extent(launch.block), pointers)

    def mark(self) -> object:
        return None

    def wait(self, mark: object) -> None:
        pass

    def synchronise(self) -> None:
        pass

    def host_array(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        return np.empty(shape, dtype)

    def close(self) -> None:
        for buffer in list(self._buffers.values()):
            self.free(buffer)

    def _check(self, buffer: Buffer, array: NDArray[Any]) -> None:
        assert self._buffers.get(buffer.address) == buffer, "memory that was freed"
        if not array.flags.c_contiguous or array.nbytes > buffer.size_bytes:
            raise EngineInputError(f"{array.nbytes} bytes do not fit a buffer of {buffer.size_bytes}")


def _extent(extent: Extent) -> ctypes.Array[ctypes.c_uint]:
    return _Extent(*extent)
