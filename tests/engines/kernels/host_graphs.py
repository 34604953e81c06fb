"""Graphs on the host's memory: ONNX Runtime in the place of TensorRT, and work that is enqueued each time anew."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime

_DTYPES = {"tensor(uint8)": "uint8", "tensor(float16)": "float16", "tensor(float)": "float32"}


@dataclass(frozen=True, slots=True)
class HostTensor:
    """`engines.device_graphs.GraphTensor`"""

    name: str
    dtype: str
    row_shape: tuple[int, ...]

    @property
    def row_bytes(self) -> int:
        return math.prod(self.row_shape) * np.dtype(self.dtype).itemsize

    def at(self, address: int, rows: int) -> np.ndarray[Any, Any]:
        """The rows that lie at an address, as an array on that memory."""
        memory = (ctypes.c_uint8 * (rows * self.row_bytes)).from_address(address)
        return np.ctypeslib.as_array(memory).view(self.dtype).reshape(rows, *self.row_shape)


class HostGraph:
    """`engines.device_graphs.Graph` by ONNX Runtime."""

    scratch_bytes = 0

    def __init__(self, content: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session: Any = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        self._inputs = [_tensor(entry) for entry in self._session.get_inputs()]
        self._outputs = [_tensor(entry) for entry in self._session.get_outputs()]

    @property
    def tensors(self) -> tuple[HostTensor, ...]:
        return (*self._inputs, *self._outputs)

    def use_scratch(self, address: int, size_bytes: int) -> None:
        """ONNX Runtime has memory of its own."""

    def enqueue(self, rows: int, addresses: Mapping[str, int], stream: int) -> None:
        feeds = {tensor.name: tensor.at(addresses[tensor.name], rows) for tensor in self._inputs}
        for tensor, values in zip(self._outputs, self._session.run(None, feeds), strict=True):
            tensor.at(addresses[tensor.name], rows)[:] = values

    def close(self) -> None:
        self._session = None


class NoCapture:
    """`engines.device_graphs.Capture` that replays nothing; it notes which keys came."""

    def __init__(self) -> None:
        self.keys: list[Hashable] = []

    def launch(self, key: Hashable, stream: int, enqueue: Callable[[], None]) -> None:
        self.keys.append(key)
        enqueue()

    def forget(self) -> None:
        self.keys.clear()


def _tensor(entry: Any) -> HostTensor:
    return HostTensor(entry.name, _DTYPES[entry.type], tuple(entry.shape[1:]))
