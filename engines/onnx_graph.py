"""One graph of an engine folder on ONNX Runtime, CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from engines.errors import BackendFailedError, ModelFolderError

FloatArray = NDArray[np.float32]


Shape = tuple[int | None, ...]
"""None stands for an axis that is left open."""


class OnnxGraph:
    """A session whose input and output shapes were checked.

    inputs, outputs: wanted shapes in the graph's order. Raises ModelFolderError for bytes that are no graph and for
    other shapes.
    """

    def __init__(
        self, name: str, content: bytes, threads: int, inputs: Sequence[Shape], outputs: Sequence[Shape]
    ) -> None:
        self._name, self._session = name, open_session(name, content, threads, inputs, outputs)
        self._inputs = [entry.name for entry in self._session.get_inputs()]

    def __call__(self, *inputs: NDArray[Any]) -> list[FloatArray]:
        try:
            outputs: list[FloatArray] = self._session.run(None, dict(zip(self._inputs, inputs, strict=True)))
        except Exception as error:
            raise BackendFailedError(f"{self._name}: ONNX Runtime failed ({error})") from error
        return outputs


def per_stream(*shapes: tuple[int, ...]) -> list[tuple[int | None, ...]]:
    """Shapes with an open first axis, the stream."""
    return [(None, *shape) for shape in shapes]


def open_session(name: str, content: bytes, threads: int, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> Any:
    """A session of these shapes; raises as `OnnxGraph` does."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - the runtime raises a dozen unrelated types of its own
        raise ModelFolderError(f"{name}: ONNX Runtime cannot load it ({error})") from None
    for what, entries, wanted in (("takes", session.get_inputs(), inputs), ("gives", session.get_outputs(), outputs)):
        found = [tuple(size if isinstance(size, int) else None for size in entry.shape) for entry in entries]
        if found != list(wanted):
            raise ModelFolderError(f"{name}: {what} {found}, this engine needs {list(wanted)} (None: left open)")
    return session
