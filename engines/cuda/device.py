"""What the engine needs of a device, so that the same code runs on a GPU and on a host that stands in for one."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

Extent = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Buffer:
    """Memory on a device: its address, aligned to at least 256 bytes, and its size. Valid until freed."""

    address: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Launch:
    """One kernel call: numpy scalars in the order and of the size of the kernel's parameters, addresses as uint64."""

    kernel: str
    grid: Extent
    block: Extent
    arguments: tuple[np.generic, ...]


class Device(Protocol):
    """One device with one stream, on which everything below happens in the order of the calls, but for uploads aside.
    For one thread at a time.

    Calls return before the work is done, except `wait`, `synchronise` and `close`. Whatever failed on the device comes
    up as DeviceError at a later call, at the latest at `synchronise`; afterwards the device is of no more use.
    """

    @property
    def name(self) -> str:
        """What people call it, such as "NVIDIA H100 80GB HBM3"."""

    def current(self) -> AbstractContextManager[None]:
        """While it is entered the device is this thread's: all calls below, and libraries on its stream, want that.

        Raises DeviceError where the device is lost.
        """

    @property
    def stream(self) -> int:
        """Address of the stream, for libraries that enqueue work of their own."""

    def allocate(self, size_bytes: int) -> Buffer:
        """New memory of unknown content. Raises DeviceMemoryError where there is no room."""

    def free(self, buffer: Buffer) -> None:
        """Give memory back; whatever used it must be through (`synchronise`)."""

    def zero(self, buffer: Buffer) -> None:
        """Fill with zero bytes."""

    def upload(self, buffer: Buffer, array: NDArray[Any]) -> None:
        """Copy a contiguous array to the start of a buffer.

        An array from `host_array` must not change until the copy is through; any other may at once.
        Raises EngineInputError where it does not fit.
        """

    def download(self, array: NDArray[Any], buffer: Buffer) -> None:
        """Fill a contiguous array from the start of a buffer; it is filled after the next `synchronise`.

        Raises EngineInputError where the buffer is smaller.
        """

    def upload_aside(self, buffer: Buffer, array: NDArray[Any]) -> object:
        """As `upload`, at any time from now on, beside the work on the stream; gives a mark to `follow`.

        Nothing that the stream still has before it may use the buffer. An array from `host_array` must not change until
        work that followed is through.
        """

    def follow(self, mark: object) -> None:
        """What is started on the stream from now on waits for an upload aside."""

    def copy(self, to: Buffer, source: Buffer, size_bytes: int) -> None:
        """Copy the start of one buffer to that of another, inside the device. Raises EngineInputError beyond either."""

    def launch(self, launch: Launch) -> None:
        """Start a kernel."""

    def mark(self) -> object:
        """The point in the stream that the work started so far reaches: for `wait`."""

    def wait(self, mark: object) -> None:
        """Wait until the work before a mark is through, while what came after it goes on. Raises DeviceError."""

    def synchronise(self) -> None:
        """Wait until everything started so far is through, uploads aside too. Raises DeviceError where any failed."""

    def host_array(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """An array of unknown content that copies to and from the device bypass the CPU for (page-locked)."""

    def close(self) -> None:
        """Free everything. May be called twice."""
