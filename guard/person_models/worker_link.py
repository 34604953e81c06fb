"""One worker process as the guard sees it, from its start to its end. Blocks: for a thread that does nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engines.person_models.messages import Kind, Message, read_message, write_message, write_stretches
from guard.config import PersonModelsConfig
from guard.errors import PersonModelError
from guard.sidecar import Sidecar, SidecarKind

START_SECONDS = 120.0
"""Loading PyTorch takes 3 s, and a busy machine many times that."""
SILENT_SECONDS = 120.0
"""A worker that has not answered for so long hangs: it tells of learning every 2 %, after half a second or so, at idle
priority on a full machine a hundred times that."""
_WORKER = SidecarKind(
    "the worker for person models", "training.person_models.worker", "person_models.python", PersonModelError
)


class WorkerLink:
    """Starts a worker when made, talks to it, and ends it. All but `kill` is for one thread.

    Every method raises PersonModelError where the worker has ended, hangs or talks nonsense (`retryable`), or refuses.
    """

    def __init__(self, config: PersonModelsConfig, model_sha256: str) -> None:
        """model_sha256: of the folder as the guard has read it."""
        folder = (config.folder or Path()).expanduser().absolute()
        self._process = Sidecar(
            _WORKER, config.python, lambda channel: [str(channel), str(os.getpid()), str(folder), model_sha256]
        )

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def wait_ready(self) -> str:
        """Until it answers; what runs."""
        message = self._receive(START_SECONDS)
        if message.kind is Kind.REFUSED:
            raise PersonModelError(message.text or "the worker refuses to run", retryable=False)
        if message.kind is not Kind.READY:
            raise self._process.broken()
        return message.text

    def know(self, person: int, weights: NDArray[np.float32]) -> None:
        """Somebody who is asked about from now on: float32 (W,)."""
        self._send(Message(Kind.KNOW, person, content=weights.astype("<f4").tobytes()))

    def forget(self, persons: frozenset[int]) -> None:
        """They are not asked about any more."""
        for person in persons:
            self._send(Message(Kind.FORGET, person))

    def judge(self, person: int, faces: NDArray[np.uint8]) -> Message:
        """What the model of somebody known says of a probe (`Probe.faces`): JUDGED, or REFUSED with a reason."""
        self._send(Message(Kind.JUDGE, person, content=faces.tobytes()))
        message = self._receive(SILENT_SECONDS)
        if message.kind not in (Kind.JUDGED, Kind.REFUSED) or message.person != person:
            raise self._process.broken()
        return message

    def learn(self, stretches: tuple[NDArray[np.uint8], ...], progress: Callable[[float], None]) -> NDArray[np.float32]:
        """Weights float32 (W,) of a person seen in these stretches of faces. progress: is told the share done."""
        faces = np.concatenate(stretches).tobytes()
        self._send(Message(Kind.LEARN, content=write_stretches(tuple(map(len, stretches)), faces)))
        while (message := self._receive(SILENT_SECONDS)).kind is Kind.PROGRESS:
            progress(min(max(message.value, 0.0), 1.0))
        if message.kind is Kind.REFUSED:
            raise PersonModelError(message.text, retryable=False)
        weights = np.frombuffer(message.content[: len(message.content) // 4 * 4], "<f4").astype(np.float32)
        if message.kind is not Kind.LEARNT or not np.isfinite(weights).all():
            raise self._process.broken()
        return weights

    def kill(self) -> None:
        """End the process, from any thread: who waits for it gets a PersonModelError."""
        self._process.kill()

    def close(self) -> None:
        """End the process and free what belongs to it."""
        self._process.close()

    def _send(self, message: Message) -> None:
        self._process.send(write_message(message), SILENT_SECONDS)

    def _receive(self, seconds: float) -> Message:
        try:
            return read_message(lambda count: self._process.receive(count, seconds))
        except ValueError as error:
            raise self._process.broken() from error
