"""A device that passes everything on to another: what whoever watches a device begins with."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from numpy.typing import DTypeLike, NDArray

from engines.cuda.device import Buffer, Device, Launch


class DelegatingDevice:
    """`engines.cuda.device.Device` by another one."""

    def __init__(self, device: Device) -> None:
        self._device = device

    @property
    def name(self) -> str:
        return self._device.name

    @property
    def stream(self) -> int:
        return self._device.stream

    def current(self) -> AbstractContextManager[None]:
        return self._device.current()

    def allocate(self, size_bytes: int) -> Buffer:
        return self._device.allocate(size_bytes)

    def free(self, buffer: Buffer) -> None:
        self._device.free(buffer)

    def zero(self, buffer: Buffer) -> None:
        self._device.zero(buffer)

    def upload(self, buffer: Buffer, array: NDArray[Any]) -> None:
        self._device.upload(buffer, array)

    def download(self, array: NDArray[Any], buffer: Buffer) -> None:
        self._device.download(array, buffer)

    def upload_aside(self, buffer: Buffer, array: NDArray[Any]) -> object:
        return self._device.upload_aside(buffer, array)

    def follow(self, mark: object) -> None:
        self._device.follow(mark)

    def copy(self, to: Buffer, source: Buffer, size_bytes: int) -> None:
        self._device.copy(to, source, size_bytes)

    def launch(self, launch: Launch) -> None:
        self._device.launch(launch)

    def mark(self) -> object:
        return self._device.mark()

    def wait(self, mark: object) -> None:
        self._device.wait(mark)

    def synchronise(self) -> None:
        self._device.synchronise()

    def host_array(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        return self._device.host_array(shape, dtype)

    def close(self) -> None:
        self._device.close()
