"""A chain of backends behind the engine protocol: the fastest that works computes, and `status` says why no faster one.

load: tensorrt -> no driver -> onnx              status: onnx, "tensorrt: no NVIDIA driver ..."
step: tensorrt -> device lost -> close -> onnx   status: onnx, "tensorrt: failed in use (...)"
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engines.errors import (
    BackendError,
    BackendFailedError,
    BackendUnavailableError,
    EngineError,
    EngineInputError,
    ModelFolderError,
)
from engines.protocol import Batching, Engine, EngineSpec, EngineStatus, StepResult

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Backend:
    """A link of the chain."""

    name: str
    load: Callable[[], Engine]
    """Raises BackendUnavailableError with the reason where it cannot run here."""


class FallbackEngine:
    """`engines.protocol.Engine` on the first of `backends`, fastest first, that works.

    When it fails in use, the next one takes over with as many slots, and all streams start anew: their rings are not
    carried over, since features of two backends must never meet in one difference. There is no way back to a faster
    backend but loading the engine again. The last backend of the chain stays; only the streams of the step in which it
    failed start anew.
    """

    def __init__(self, backends: Sequence[Backend]) -> None:
        """Raises BackendUnavailableError where none works, ModelFolderError for a folder that cannot be trusted."""
        self._left = deque(backends)
        self._reasons: list[str] = []
        self._slots = 0
        self._name = ""
        self._failure: BackendFailedError | None = None
        self._engine = self._load_next()
        self._status = self._status_now()

    @property
    def spec(self) -> EngineSpec:
        return self._engine.spec

    @property
    def status(self) -> EngineStatus:
        """What runs now, and why nothing faster does. May be read from another thread."""
        return self._status

    @property
    def batching(self) -> Batching:
        return self._engine.batching

    @property
    def stream_bytes(self) -> int:
        return self._engine.stream_bytes

    def open(self, slots: int) -> None:
        """Make room for `slots` streams, all empty, on the first backend that has room for them.

        Raises EngineInputError below 1, BackendError where none has.
        """
        self._check_alive()
        try:
            self._engine.open(slots)
            self._slots = slots
        except EngineInputError:
            raise
        except Exception as error:  # noqa: BLE001 - drivers and runtimes raise what they like
            self._slots = slots
            self._fall_back(_as_backend_error(error))

    def reset(self, slot: int) -> None:
        """Forget one stream; see `engines.protocol.Engine.reset`."""
        self._check_alive()
        try:
            self._engine.reset(slot)
        except EngineInputError:
            raise
        except Exception as error:  # noqa: BLE001
            self._fall_back(_as_backend_error(error))

    def step(self, slots: NDArray[np.int32], frames: NDArray[np.uint8], continues: NDArray[np.bool_]) -> StepResult:
        """Take one new frame for each named slot; see `engines.protocol.Engine.step`.

        The frames of a step in which the backend failed are the first ones of the next backend.
        """
        self._check_alive()
        while True:
            try:
                return self._engine.step(slots, frames, continues)
            except EngineInputError:
                raise
            except Exception as error:
                failure = _as_backend_error(error)
                if not self._left:
                    self._forget(slots)
                    raise failure from error
                self._fall_back(failure)
                continues = np.zeros_like(continues)

    def close(self) -> None:
        """Free everything. May be called twice."""
        self._slots = 0
        self._engine.close()

    def _check_alive(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _fall_back(self, error: BackendError) -> None:
        """Go on with the next backend that works. Raises BackendFailedError where none of those left does."""
        failed = self._name
        self._reasons.append(f"{failed}: failed in use ({error})")
        # Before anything else is loaded: the next one may need its memory.
        _close(self._engine, failed)
        try:
            self._engine = self._load_next()
        except EngineError as none_left:
            self._failure = BackendFailedError(f"no backend is left ({none_left})")
            raise self._failure from none_left
        self._status = self._status_now()
        logger.warning(
            "engine: %s failed in use (%s); going on with %s, all streams start anew",
            failed,
            error,
            self._name,
        )

    def _load_next(self) -> Engine:
        """The first of the backends left that works, open where this engine is.

        Raises BackendUnavailableError where none does, or what the last one says of a folder that it cannot trust.
        """
        while self._left:
            backend, engine = self._left.popleft(), None
            try:
                engine = backend.load()
                if self._slots:
                    engine.open(self._slots)
                self._name = backend.name
                return engine
            except Exception as error:
                if engine is not None:
                    _close(engine, backend.name)
                if isinstance(error, ModelFolderError) and not self._left:
                    raise
                self._reasons.append(f"{backend.name}: {_as_backend_error(error)}")
        raise BackendUnavailableError(", ".join(self._reasons))

    def _status_now(self) -> EngineStatus:
        return replace(self._engine.status, fallback_reason=", ".join(self._reasons) or None)

    def _forget(self, slots: NDArray[np.int32]) -> None:
        """A step that failed half-way has moved some of its streams on and some not."""
        for slot in slots.tolist():
            self._engine.reset(slot)


def _as_backend_error(error: Exception) -> BackendError:
    """Drivers, runtimes and their bindings raise errors of all kinds; all of them mean that this backend is no good."""
    if isinstance(error, BackendError):
        return error
    logger.error("engine: unexpected %s", type(error).__name__, exc_info=error)
    return BackendFailedError(f"{type(error).__name__}: {error}")


def _close(engine: Engine, name: str) -> None:
    try:
        engine.close()
    except Exception:
        # Whatever a broken device makes of it: the call goes on.
        logger.warning("engine: %s could not be closed; what it holds may stay taken", name, exc_info=True)
