"""CUDA graphs: work that is enqueued once by hand, captured the second time, and replayed as one launch from then on.

Through cuda-bindings, since pycuda has no graphs. What is captured may be any work on the stream, launches of pycuda
kernels and runs of TensorRT alike.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from typing import Any

from engines.errors import BackendFailedError

logger = logging.getLogger(__name__)


class CapturedWork:
    """The graphs of one stream's work. One thread at a time.

    driver: `cuda.bindings.driver`.
    """

    def __init__(self, driver: Any) -> None:
        self._driver = driver
        self._run_before: set[Hashable] = set()
        self._graphs: dict[Hashable, Any] = {}
        self._uncaptured: set[Hashable] = set()

    def launch(self, key: Hashable, stream: int, enqueue: Callable[[], None]) -> None:
        """Do what `enqueue` puts on the stream, by the graph of `key` once there is one.

        key: names everything that the graph holds fixed: batch size, addresses, arguments of kernels. The first call
        of a key enqueues plainly, since TensorRT initialises itself in its first run, which cannot be captured. Work
        that cannot be captured at all is enqueued plainly for good: nothing of it ran while it was tried.
        Raises BackendFailedError where a graph does not run, and whatever `enqueue` raises when it is no capture.
        """
        if key in self._run_before and key not in self._graphs and key not in self._uncaptured:
            try:
                self._graphs[key] = self._capture(stream, enqueue)
            except BackendFailedError as error:
                logger.warning("work %s cannot be captured and will be slower: %s", key, error)
                self._uncaptured.add(key)
        if key in self._graphs:
            self._ask(self._driver.cuGraphLaunch, self._graphs[key], stream)
        else:
            enqueue()
            self._run_before.add(key)

    def forget(self) -> None:
        """Destroy all graphs; none may be running. May be called twice, and on a device that is lost."""
        while self._graphs:
            self._driver.cuGraphExecDestroy(self._graphs.popitem()[1])
        self._run_before.clear()
        self._uncaptured.clear()

    def _capture(self, stream: int, enqueue: Callable[[], None]) -> Any:
        # Thread-local: what other threads do with CUDA meanwhile neither joins the graph nor spoils it.
        mode = self._driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        self._ask(self._driver.cuStreamBeginCapture, stream, mode)
        try:
            enqueue()
        except BaseException:
            # A stream that is left capturing is of no use to anyone; what this answers says less than the cause.
            self._driver.cuStreamEndCapture(stream)
            raise
        captured = self._ask(self._driver.cuStreamEndCapture, stream)
        try:
            return self._ask(self._driver.cuGraphInstantiate, captured, 0)
        finally:
            self._ask(self._driver.cuGraphDestroy, captured)

    def _ask(self, function: Any, *arguments: Any) -> Any:
        status, *answer = function(*arguments)
        if status != self._driver.CUresult.CUDA_SUCCESS:
            raise BackendFailedError(f"{function.__name__} failed ({status.name}); the engine has to be loaded again")
        return answer[0] if answer else None
