"""The backbone's last operation on a CPU: each node with the strongest values of the nodes that are most like it.

In numpy, between two graphs: ONNX Runtime looks for the largest value of a row one element at a time and guesses wrong
at every new best (0.12 ms for TopK over 256 rows on a core that multiplies them in 0.07), numpy's `argmax` compares a
vector register at once (0.014 ms for one neighbour of every node).
"""

from __future__ import annotations

import numpy as np

from engines.slot_state import NODES, NODES_SHAPE, FloatArray

_OTHERS = 3
"""Most similar nodes besides the node itself."""


class StrongestNeighbours:
    """f + ReLU(max of f over the node itself, its own nearest, and the three others nearest to it)."""

    def __init__(self) -> None:
        self._row_starts = np.arange(NODES) * NODES
        self._nearest = np.empty(NODES, np.intp)
        self._places = np.empty(NODES, np.intp)
        self._neighbours = np.empty(NODES_SHAPE, np.float32)
        self._zeros = np.zeros(NODES_SHAPE, np.float32)

    def __call__(self, nodes: FloatArray, similarity: FloatArray) -> FloatArray:
        """nodes (256, 128), similarity (256, 256), of which only the order within a row counts, and which is used up;
        returns a new array like `nodes`."""
        flat = similarity.reshape(-1)
        flat[:: NODES + 1] = -np.inf
        # Against an array of zeros, not against 0, for which numpy has no vector code.
        strongest = np.maximum(nodes, self._zeros)
        for others_found in range(_OTHERS):
            if others_found:
                np.add(self._nearest, self._row_starts, out=self._places)
                flat[self._places] = -np.inf
            similarity.argmax(axis=1, out=self._nearest)
            # "clip", since a check of the indices takes as long as the copying.
            np.take(nodes, self._nearest, axis=0, out=self._neighbours, mode="clip")
            np.maximum(strongest, self._neighbours, out=strongest)
        np.add(strongest, nodes, out=strongest)
        return strongest
