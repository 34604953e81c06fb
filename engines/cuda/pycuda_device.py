"""A GPU through pycuda, in the primary context, which TensorRT uses too."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from engines.code_cache import CodeCache
from engines.cuda.compile import ARCHITECTURES, module_images
from engines.cuda.device import Buffer, Launch
from engines.cuda.gpu import Gpu, cuda_release
from engines.errors import BackendUnavailableError, DeviceError, DeviceMemoryError, EngineInputError

_NON_BLOCKING = 1
"""CU_STREAM_NON_BLOCKING: what others do on the default stream must not join, and so spoil, a captured graph."""


class PycudaDevice:
    """`engines.cuda.device.Device` on a GPU.

    number: as CUDA counts. cache: of kernels compiled on this machine, the user's by default.
    Raises BackendUnavailableError where there is no pycuda, driver, GPU, or code that this GPU takes.
    """

    def __init__(self, number: int = 0, cache: CodeCache | None = None) -> None:
        self._driver = _import_driver()
        self._allocations: dict[int, Any] = {}
        self._functions: dict[str, Any] = {}
        self._module: Any = None
        self._stream: Any = None
        self._copy_stream: Any = None
        try:
            self._driver.init()
            device = self._driver.Device(number)
            self._name: str = device.name()
            release = cuda_release(int(self._driver.get_driver_version()))
            gpu = Gpu(self._name, tuple(device.compute_capability()), release)
            if gpu.architecture < ARCHITECTURES[0]:
                raise BackendUnavailableError(f"{self._name} is too old (compute capability {gpu.compute_capability})")
            self._context: Any = device.retain_primary_context()
        except self._driver.Error as error:
            raise BackendUnavailableError(f"no usable GPU ({error})") from None
        try:
            with self.current(), self._reported("a stream cannot be made"):
                self._module = self._load(gpu, cache)
                self._stream = self._driver.Stream(_NON_BLOCKING)
                self._copy_stream = self._driver.Stream(_NON_BLOCKING)
        except BaseException:
            self.close()
            raise

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        """Push the context for this thread and pop it again: pycuda ends the process with a thread that left one."""
        with self._reported("it cannot be used"):
            self._context.push()
        try:
            yield
        finally:
            if self._context is not None:  # `close` has left it where it was called in here
                self._context.pop()

    @property
    def name(self) -> str:
        """As the driver calls it."""
        return self._name

    @property
    def stream(self) -> int:
        """Address of the stream (CUstream)."""
        return int(self._stream.handle)

    def allocate(self, size_bytes: int) -> Buffer:
        """New memory of unknown content. Raises DeviceMemoryError where there is no room."""
        with self._reported(f"{size_bytes} bytes cannot be allocated"):
            allocation = self._driver.mem_alloc(size_bytes)
        buffer = Buffer(int(allocation), size_bytes)
        self._allocations[buffer.address] = allocation
        return buffer

    def free(self, buffer: Buffer) -> None:
        """Give memory back."""
        with self._reported("memory cannot be freed"):
            self._allocations.pop(buffer.address).free()

    def zero(self, buffer: Buffer) -> None:
        """Fill with zero bytes."""
        with self._reported("memory cannot be set"):
            self._driver.memset_d8_async(buffer.address, 0, buffer.size_bytes, self._stream)

    def upload(self, buffer: Buffer, array: NDArray[Any]) -> None:
        """Copy a contiguous array to the start of a buffer; the driver stages what is not page-locked first."""
        _check_fits(buffer, array)
        with self._reported("an upload failed"):
            self._driver.memcpy_htod_async(buffer.address, array, self._stream)

    def download(self, array: NDArray[Any], buffer: Buffer) -> None:
        """Fill a contiguous array from the start of a buffer."""
        _check_fits(buffer, array)
        with self._reported("a download failed"):
            self._driver.memcpy_dtoh_async(array, buffer.address, self._stream)

    def upload_aside(self, buffer: Buffer, array: NDArray[Any]) -> object:
        """Copy on a stream of its own, which the device's copy engine serves beside the kernels; an event behind it."""
        _check_fits(buffer, array)
        with self._reported("an upload failed"):
            self._driver.memcpy_htod_async(buffer.address, array, self._copy_stream)
            return self._event_on(self._copy_stream)

    def follow(self, mark: Any) -> None:
        """Let the stream wait for an event on the other one; the host does not."""
        with self._reported("an event cannot be waited for"):
            self._stream.wait_for_event(mark)

    def copy(self, to: Buffer, source: Buffer, size_bytes: int) -> None:
        """Copy the start of one buffer to that of another."""
        if size_bytes > min(to.size_bytes, source.size_bytes):
            raise EngineInputError(f"{size_bytes} bytes do not fit {source.size_bytes} to {to.size_bytes}")
        with self._reported("a copy failed"):
            self._driver.memcpy_dtod_async(to.address, source.address, size_bytes, self._stream)

    def launch(self, launch: Launch) -> None:
        """Start a kernel."""
        with self._reported(f"{launch.kernel} cannot be launched"):
            function = self._functions.get(launch.kernel)
            if function is None:
                # Prepared, because a call that is not packs its arguments anew and keeps them by value without type.
                function = self._module.get_function(launch.kernel)
                function.prepare([argument.dtype for argument in launch.arguments])
                self._functions[launch.kernel] = function
            function.prepared_async_call(launch.grid, launch.block, self._stream, *launch.arguments)

    def mark(self) -> object:
        """An event on the stream."""
        with self._reported("an event cannot be recorded"):
            return self._event_on(self._stream)

    def wait(self, mark: Any) -> None:
        """Wait for an event that `mark` gave."""
        with self._reported("the device failed"):
            mark.synchronize()

    def synchronise(self) -> None:
        """Wait until everything started so far is through."""
        with self._reported("the device failed"):
            self._copy_stream.synchronize()
            self._stream.synchronize()

    def host_array(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """A page-locked array of unknown content."""
        with self._reported("page-locked memory cannot be had"):
            array: NDArray[Any] = self._driver.pagelocked_empty(shape, np.dtype(dtype))
        return array

    def close(self) -> None:
        """Free everything. May be called twice."""
        if self._context is None:
            return
        # A device that is lost cannot free anything either; what it held is gone with it.
        with contextlib.suppress(self._driver.Error, DeviceError), self.current():
            for stream in (self._copy_stream, self._stream):
                if stream is not None:
                    stream.synchronize()
            for allocation in self._allocations.values():
                allocation.free()
            # Here, since their destructors want the context too.
            self._functions.clear()
            self._module = self._stream = self._copy_stream = None
        self._allocations.clear()
        with contextlib.suppress(self._driver.Error):
            self._context.detach()
        self._context = None

    @property
    def free_bytes(self) -> int:
        """Device memory that nobody has taken."""
        with self._reported("the memory that is free cannot be asked for"):
            free, _total = self._driver.mem_get_info()
        return int(free)

    def _event_on(self, stream: Any) -> Any:
        event = self._driver.Event(self._driver.event_flags.DISABLE_TIMING)
        event.record(stream)
        return event

    def _load(self, gpu: Gpu, cache: CodeCache | None) -> Any:
        """The kernels' module. Raises BackendUnavailableError where no image loads."""
        for image in module_images(gpu, cache):
            with contextlib.suppress(self._driver.Error):
                return self._driver.module_from_buffer(image.content)
        raise AssertionError("module_images ends with an error")

    @contextlib.contextmanager
    def _reported(self, what: str) -> Iterator[None]:
        """Turn pycuda's errors into this package's."""
        try:
            yield
        except self._driver.MemoryError as error:
            raise DeviceMemoryError(f"{self._name}: {what} ({error})") from error
        except self._driver.Error as error:
            raise DeviceError(f"{self._name}: {what} ({error})") from error


def _import_driver() -> Any:
    try:
        import pycuda.driver
    except ImportError as error:
        raise BackendUnavailableError(f"pycuda does not load ({error}, pip install 'whodrives[gpu]')") from None
    return pycuda.driver


def _check_fits(buffer: Buffer, array: NDArray[Any]) -> None:
    if not array.flags.c_contiguous or array.nbytes > buffer.size_bytes:
        raise EngineInputError(f"{array.nbytes} bytes of {array.shape} do not fit a buffer of {buffer.size_bytes}")
