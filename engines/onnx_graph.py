"""One graph of an engine folder on ONNX Runtime, CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from engines.errors import BackendFailedError, ModelFolderError

FloatArray = NDArray[np.float32]


class OnnxGraph:
    """A session whose input and output shapes were checked.

    inputs, outputs: wanted shapes in the graph's order; None stands for an axis that is left open. Raises
    ModelFolderError for bytes that are no graph and for other shapes.
    """

    def __init__(
        self,
        name: str,
        content: bytes,
        threads: int,
        inputs: Sequence[tuple[int | None, ...]],
        outputs: Sequence[tuple[int | None, ...]],
    ) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session: Any = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # noqa: BLE001 - the runtime raises a dozen unrelated types of its own
            raise ModelFolderError(f"{name}: ONNX Runtime cannot load it ({error})") from None
        self._name = name
        self._inputs = [entry.name for entry in self._session.get_inputs()]
        for what, entries, wanted in (
            ("takes", self._session.get_inputs(), inputs),
            ("gives", self._session.get_outputs(), outputs),
        ):
            found = [tuple(size if isinstance(size, int) else None for size in entry.shape) for entry in entries]
            if found != list(wanted):
                raise ModelFolderError(f"{name}: {what} {found}, this engine needs {list(wanted)} (None: left open)")

    def __call__(self, *inputs: NDArray[Any]) -> list[FloatArray]:
        try:
            outputs: list[FloatArray] = self._session.run(None, dict(zip(self._inputs, inputs, strict=True)))
        except Exception as error:
            raise BackendFailedError(f"{self._name}: ONNX Runtime failed ({error})") from error
        return outputs


def per_stream(*shapes: tuple[int, ...]) -> list[tuple[int | None, ...]]:
    """Shapes with an open first axis, the stream."""
    return [(None, *shape) for shape in shapes]
