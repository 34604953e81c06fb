"""A thread that has something done in workers, one after another. Many threads may share what it works on."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engines.person_models.messages import Message

Stretches = tuple[NDArray[np.uint8], ...]


class Link(Protocol):
    """A worker, as far as these threads need it; `WorkerLink` is one."""

    def wait_ready(self) -> str: ...

    def know(self, person: int, weights: NDArray[np.float32]) -> None: ...

    def forget(self, persons: frozenset[int]) -> None: ...

    def judge(self, person: int, faces: NDArray[np.uint8]) -> Message: ...

    def learn(self, stretches: Stretches, progress: Callable[[float], None]) -> NDArray[np.float32]: ...

    def kill(self) -> None: ...

    def close(self) -> None: ...


MakeLink = Callable[[], Link]


class WorkerThread(ABC):
    """Runs `work` from `start` to `stop`."""

    def __init__(self, name: str, make_link: MakeLink, changed: threading.Condition) -> None:
        """changed: guards what this thread shares with others, and is notified when there may be something to do."""
        self.changed = changed
        self.stopping = False
        self.link: Link | None = None
        """The worker of this moment."""
        self._make_link = make_link
        self._thread = threading.Thread(target=self.work, name=name, daemon=True)

    @abstractmethod
    def work(self) -> None:
        """Until `stopping`."""

    def start(self) -> None:
        """Begin; a worker starts when there is something for it to do."""
        self._thread.start()

    def stop(self) -> None:
        """End the worker and the thread, whatever they are at."""
        with self.changed:
            self.stopping = True
            if self.link is not None:
                self.link.kill()
            self.changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def is_wanted(self) -> bool:
        """Whether a worker is still needed for what it was started for."""
        return not self.stopping

    def wait_for(self, something: Callable[[], bool]) -> bool:
        """True as soon as there is something, False where the guard ends."""
        with self.changed:
            while not self.stopping and not something():
                self.changed.wait()
            return not self.stopping

    @contextmanager
    def worker(self) -> Iterator[Link]:
        """One that runs; ended with the context. Raises PersonModelError where it does not."""
        link = self._make_link()
        try:
            with self.changed:
                self.link = link
                if not self.is_wanted():
                    link.kill()
            link.wait_ready()
            yield link
        finally:
            with self.changed:
                self.link = None
            link.close()
