"""The thread that owns the pipeline: orders go in through one queue, outcomes come out through a callback."""

from __future__ import annotations

import logging
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread

from guard.outcomes import Outcome
from guard.pipeline import Pipeline
from guard.wake import Wake

logger = logging.getLogger(__name__)

IDLE_SECONDS = 0.1
"""The pipeline looks for stalled participants at least so often."""


class PipelineThread:
    """Runs `pipeline` from `start` to `stop`; whoever calls the other methods never waits for it.

    hand_over: called on the thread with what came of a tick.
    """

    def __init__(self, pipeline: Pipeline, hand_over: Callable[[list[Outcome]], None]) -> None:
        self._pipeline = pipeline
        self._hand_over = hand_over
        self._orders: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._wake = Wake()
        self._stopping = False
        self._thread = Thread(target=self._run, name="guard-pipeline", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Wait until the thread has ended; at most as long as one tick takes."""
        self._stopping = True
        self._wake.ring()
        if self._thread.is_alive():
            self._thread.join()

    def frame(self) -> None:
        """A participant who had no frame waiting has one."""
        self._wake.frame()

    def order(self, order: Callable[[], object]) -> None:
        """Have something done on the thread, before its next tick and in order; what it returns is nobody's."""
        self._orders.put(order)
        self._wake.ring()

    def _run(self) -> None:
        while not self._stopping:
            self._wake.sleep(self._pipeline.pause(IDLE_SECONDS))
            outcomes: list[Outcome] = []
            try:
                self._obey_orders()
                outcomes.extend(self._pipeline.tick())  # keeps what came before an error
            except Exception:
                # One seat's trouble must not end the watch over the others; it is in the log.
                logger.exception("the pipeline failed on a tick; going on")
            if outcomes:
                self._hand_over(outcomes)
            try:
                self._pipeline.settle()
            except Exception:
                logger.exception("the pipeline failed after a tick; going on")

    def _obey_orders(self) -> None:
        while True:
            try:
                order = self._orders.get_nowait()
            except Empty:
                return
            order()
