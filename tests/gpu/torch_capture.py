"""CUDA graphs of work that PyTorch takes part in: its allocator must know what a graph holds."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import torch

from tests.gpu.torch_memory import external_stream


class TorchCapture:
    """`engines.device_graphs.Capture` by PyTorch; launches of pycuda on the same stream are captured with the rest."""

    def __init__(self) -> None:
        self._run_before: set[Hashable] = set()
        self._graphs: dict[Hashable, torch.cuda.CUDAGraph] = {}
        self._pool = torch.cuda.graph_pool_handle()

    def launch(self, key: Hashable, stream: int, enqueue: Callable[[], None]) -> None:
        """As `engines.tensorrt.captured_work.CapturedWork.launch`."""
        if key not in self._run_before:
            enqueue()  # libraries choose algorithms, and torch.compile compiles, in the first run
            self._run_before.add(key)
            return
        external = external_stream(stream)
        if key not in self._graphs:
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=self._pool, stream=external, capture_error_mode="thread_local"):
                enqueue()
            self._graphs[key] = graph
        with torch.cuda.stream(external):
            self._graphs[key].replay()

    def forget(self) -> None:
        """Destroy all graphs; none may be running. May be called twice."""
        self._graphs.clear()
        self._run_before.clear()
