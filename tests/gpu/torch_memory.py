"""Memory of others as tensors of PyTorch: on a GPU by `__cuda_array_interface__`, on the host by numpy."""

from __future__ import annotations

import contextlib
import ctypes
import math
from typing import Protocol

import numpy as np
import torch
from torch import Tensor


class Memory(Protocol):
    """Where tensors lie, and the stream that work on them goes to."""

    @property
    def device(self) -> torch.device: ...

    def tensor(self, address: int, shape: tuple[int, ...], dtype: str) -> Tensor:
        """A tensor on this memory, which is not copied. dtype: as numpy calls it."""

    def on(self, stream: int) -> contextlib.AbstractContextManager[object]:
        """Within it, PyTorch's work goes to the stream at this address."""


class HostMemory:
    """Of a device that the host stands in for."""

    device = torch.device("cpu")

    def tensor(self, address: int, shape: tuple[int, ...], dtype: str) -> Tensor:
        size = math.prod(shape) * np.dtype(dtype).itemsize
        memory = (ctypes.c_uint8 * size).from_address(address)
        return torch.from_numpy(np.ctypeslib.as_array(memory).view(dtype).reshape(shape))

    def on(self, stream: int) -> contextlib.AbstractContextManager[object]:
        return contextlib.nullcontext()


class CudaMemory:
    """Of the GPU that PyTorch uses too, in the primary context."""

    device = torch.device("cuda")

    def tensor(self, address: int, shape: tuple[int, ...], dtype: str) -> Tensor:
        tensor = torch.as_tensor(_CudaArray(address, shape, dtype), device=self.device)
        if tensor.data_ptr() != address:
            raise RuntimeError("PyTorch copied memory that it was to share")
        return tensor

    def on(self, stream: int) -> contextlib.AbstractContextManager[object]:
        return torch.cuda.stream(external_stream(stream))


def external_stream(address: int) -> torch.cuda.Stream:
    """PyTorch's view of a stream that somebody else made."""
    stream: torch.cuda.Stream = torch.cuda.ExternalStream(address)  # type: ignore[no-untyped-call]
    return stream


class _CudaArray:
    def __init__(self, address: int, shape: tuple[int, ...], dtype: str) -> None:
        self.__cuda_array_interface__ = {
            "shape": shape,
            "typestr": np.dtype(dtype).str,
            "data": (address, False),
            "strides": None,
            "version": 2,
        }
