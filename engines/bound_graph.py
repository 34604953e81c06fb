"""A graph of an engine folder whose inputs and outputs stay in place, for what runs once a frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.errors import BackendFailedError, ModelFolderError
from engines.onnx_graph import open_session

_ELEMENTS: dict[str, type[np.float32 | np.uint8]] = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8}


class BoundGraph:
    """A session of fixed shapes that reads and writes arrays of its own: a run allocates and copies nothing.

    inputs, outputs: wanted shapes in the graph's order. Raises ModelFolderError as `engines.onnx_graph.OnnxGraph` does.
    Whoever runs it fills `inputs` first and takes what is to outlast the next run out of `outputs`.
    """

    def __init__(
        self,
        name: str,
        content: bytes,
        threads: int,
        inputs: Sequence[tuple[int, ...]],
        outputs: Sequence[tuple[int, ...]],
    ) -> None:
        self._name, self._session = name, open_session(name, content, threads, inputs, outputs)
        self._binding = self._session.io_binding()
        self.inputs = [self._bound(entry, self._binding.bind_input) for entry in self._session.get_inputs()]
        self.outputs = [self._bound(entry, self._binding.bind_output) for entry in self._session.get_outputs()]

    def __call__(self) -> None:
        try:
            self._session.run_with_iobinding(self._binding)
        except Exception as error:
            raise BackendFailedError(f"{self._name}: ONNX Runtime failed ({error})") from error

    def _bound(self, entry: Any, bind: Any) -> NDArray[Any]:
        if entry.type not in _ELEMENTS:
            raise ModelFolderError(
                f"{self._name}: {entry.name} is {entry.type}, this engine has {', '.join(_ELEMENTS)}"
            )
        element = _ELEMENTS[entry.type]
        array: NDArray[Any] = np.zeros(entry.shape, element)
        bind(entry.name, "cpu", 0, element, array.shape, array.ctypes.data)
        return array
