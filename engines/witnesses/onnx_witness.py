"""A witness on ONNX Runtime, CPU: windows are short and few, a processor has them done in well under a millisecond."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engines.errors import BackendFailedError, EngineInputError
from engines.onnx_graph import OnnxGraph
from engines.witnesses.folder import WitnessFolder, find_witness, read_witness_folder
from engines.witnesses.protocol import WitnessSpec

_UNIT_TOLERANCE = 1e-3


class OnnxWitness:
    """Runs the graph of a witness folder. Raises ModelFolderError for a graph of other shapes."""

    def __init__(self, folder: WitnessFolder, threads: int = 1) -> None:
        self._spec = spec = folder.spec
        window, embedding = (None, spec.window_frames, spec.channels), (None, spec.embedding_size)
        self._graph = OnnxGraph(f"{spec.name}: embed.onnx", folder.graph, threads, [window], [embedding])

    @property
    def spec(self) -> WitnessSpec:
        return self._spec

    def embed(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `engines.witnesses.protocol.Witness`."""
        wanted = (self._spec.window_frames, self._spec.channels)
        if windows.ndim != 3 or windows.shape[1:] != wanted or windows.dtype != np.float32:
            raise EngineInputError(
                f"{self._spec.name} takes float32 (n, {wanted[0]}, {wanted[1]}), got {windows.dtype} {windows.shape}"
            )
        if not np.isfinite(windows).all():
            raise EngineInputError(f"{self._spec.name}: a window holds numbers that are not finite")
        if len(windows) == 0:
            return np.empty((0, self._spec.embedding_size), np.float32)
        (embeddings,) = self._graph(windows)
        lengths = np.linalg.norm(embeddings, axis=1)
        if embeddings.shape[0] != len(windows) or not np.all(np.abs(lengths - 1) < _UNIT_TOLERANCE):
            raise BackendFailedError(f"{self._spec.name}: its graph gives rows that are not of length 1")
        return embeddings


def load_witness(name_or_path: str, threads: int = 1) -> OnnxWitness:
    """A shipped witness by name, or any witness folder by path. Raises ModelFolderError."""
    return OnnxWitness(read_witness_folder(find_witness(name_or_path)), threads)
