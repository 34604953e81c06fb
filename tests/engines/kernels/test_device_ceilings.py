"""A device's ceilings, on the host: exactly what a clock says that work moves, and the product of the real graph."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engines.cuda.device import Buffer
from engines.device_ceilings import Product, measure_ceilings
from engines.tensorrt.product_graph import half_product
from tests.engines.kernels.host_device import HostDevice
from tests.engines.kernels.host_graphs import HostGraph

SIZE = 64
COPY_BYTES, UPLOAD_BYTES = 2**16, 2**14


class _Clocked(HostDevice):
    """Work moves the clock: a copy a second, an upload a quarter, a product two. `waits`: how often it was waited."""

    def __init__(self, library: Path) -> None:
        super().__init__(library)
        self.now = 0.0
        self.waits = 0

    def copy(self, to: Buffer, source: Buffer, size_bytes: int) -> None:
        assert size_bytes == COPY_BYTES
        super().copy(to, source, size_bytes)
        self.now += 1.0

    def upload(self, buffer: Buffer, array: NDArray[Any]) -> None:
        super().upload(buffer, array)
        self.now += 0.25

    def synchronise(self) -> None:
        self.waits += 1


class _ClockedGraph(HostGraph):
    def __init__(self, device: _Clocked) -> None:
        super().__init__(half_product(SIZE))
        self._device = device

    def enqueue(self, rows: int, addresses: Mapping[str, int], stream: int) -> None:
        super().enqueue(rows, addresses, stream)
        self._device.now += 2.0


def test_rates_are_work_over_time_and_everything_is_given_back(host_library: Path) -> None:
    device = _Clocked(host_library)
    product = Product(_ClockedGraph(device), SIZE)
    found = measure_ceilings(device, product, COPY_BYTES, UPLOAD_BYTES, now=lambda: device.now)
    assert found.operations == pytest.approx(2 * SIZE**3 / 2.0)
    assert found.copied_bytes == pytest.approx(2 * COPY_BYTES / 1.0)
    assert found.uploaded_bytes == pytest.approx(UPLOAD_BYTES / 0.25)
    assert device.waits == 6  # of each kind one round to warm up and one that counts
    assert device.allocated_bytes == 0


def test_the_product_is_one() -> None:
    """By ONNX Runtime, against numpy on the weights that lie in the graph."""
    onnx = pytest.importorskip("onnx")
    content = half_product(SIZE)
    (right,) = onnx.load_model_from_string(content).graph.initializer
    weights = onnx.numpy_helper.to_array(right).astype(np.float64)
    graph = HostGraph(content)
    assert {tensor.name: (tensor.dtype, tensor.row_shape) for tensor in graph.tensors} == {
        "left": ("float16", (SIZE,)),
        "product": ("float16", (SIZE,)),
    }
    left = np.random.default_rng(2).standard_normal((SIZE, SIZE)).astype(np.float16)
    product = np.empty((SIZE, SIZE), np.float16)
    graph.enqueue(SIZE, {"left": left.ctypes.data, "product": product.ctypes.data}, 0)
    np.testing.assert_allclose(product, left.astype(np.float64) @ weights, rtol=2e-3, atol=2e-3)
