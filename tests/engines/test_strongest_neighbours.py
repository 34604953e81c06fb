"""The neighbour search in numpy against the definition, node by node."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from engines.strongest_neighbours import StrongestNeighbours

Array = NDArray[np.float32]


def by_definition(nodes: Array, similarity: Array) -> Array:
    """Each node plus the strongest non-negative value among itself and the three others that are most like it."""
    out = np.empty_like(nodes)
    for place, row in enumerate(similarity):
        others = [other for other in np.argsort(-row, kind="stable") if other != place][:3]
        out[place] = nodes[place] + np.maximum(nodes[[place, *others]].max(axis=0), 0)
    return out


@pytest.mark.parametrize("shift", [0.0, -1000.0, 1000.0])
def test_values_are_those_of_the_definition_whatever_the_sign_of_similarities(shift: float) -> None:
    random = np.random.default_rng(0)
    nodes = random.normal(size=(256, 128)).astype(np.float32)
    similarity = (nodes @ nodes.T + shift).astype(np.float32)
    expected = by_definition(nodes, similarity)
    np.testing.assert_array_equal(StrongestNeighbours()(nodes, similarity), expected)


def test_of_nodes_that_are_equally_near_the_first_ones_count() -> None:
    nodes = np.random.default_rng(1).normal(size=(256, 128)).astype(np.float32)
    expected = by_definition(nodes, np.zeros((256, 256), np.float32))
    np.testing.assert_array_equal(StrongestNeighbours()(nodes, np.zeros((256, 256), np.float32)), expected)


def test_each_result_is_an_array_of_its_own() -> None:
    strongest = StrongestNeighbours()
    nodes = np.random.default_rng(2).normal(size=(256, 128)).astype(np.float32)
    first = strongest(nodes, nodes @ nodes.T)
    kept = first.copy()
    strongest(nodes[::-1].copy(), nodes @ nodes.T)
    np.testing.assert_array_equal(first, kept)
