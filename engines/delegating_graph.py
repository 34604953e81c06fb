"""A graph that passes everything on to another: what whoever watches a graph begins with."""

from __future__ import annotations

from collections.abc import Mapping

from engines.device_graphs import Graph, GraphTensor


class DelegatingGraph:
    """`engines.device_graphs.Graph` by another one."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    @property
    def tensors(self) -> tuple[GraphTensor, ...]:
        return self._graph.tensors

    @property
    def scratch_bytes(self) -> int:
        return self._graph.scratch_bytes

    def use_scratch(self, address: int, size_bytes: int) -> None:
        self._graph.use_scratch(address, size_bytes)

    def enqueue(self, rows: int, addresses: Mapping[str, int], stream: int) -> None:
        self._graph.enqueue(rows, addresses, stream)

    def close(self) -> None:
        self._graph.close()
