"""One tracker process as the guard sees it, from its start to its end. Blocks: for a thread that does nothing else."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import guard
from guard.config import ExpressionsConfig
from guard.errors import ExpressionError
from guard.expressions.messages import (
    REPLY_BYTES,
    Order,
    OrderKind,
    Reply,
    ReplyKind,
    read_reply,
    write_order,
)
from guard.expressions.tracker_process import TrackerSettings
from guard.expressions.waiting_frames import WaitingFrame
from guard.one_line import one_line

START_SECONDS = 60.0
"""Loading MediaPipe takes 2 s, and a busy machine many times that."""
SILENT_SECONDS = 30.0
"""A tracker that has not answered for so long hangs: a frame takes it 10 ms, at idle priority on a full machine a
thousand times that."""
_BASE_BYTES, _TRACK_BYTES, _CORE_BYTES = 1 << 30, 96 << 20, 12 << 20
"""Address space: 0.6 GB with its libraries, 60 MB more with every participant, and a thread's stack for every core."""
_OUTPUT_BYTES = 4096
_MOST_CHARACTERS = 200
# This guard's packages, whatever version the environment has; and of its site-packages nothing else.
_BOOT = (
    "import sys; root = sys.argv.pop(1); sys.path.insert(0, root); import engines, guard; sys.path.remove(root); "
    "from guard.expressions.tracker_process import main; main(sys.argv[1:])"
)


class TrackerLink:
    """Starts a tracker when made, talks to it, and ends it. All but `kill` is for one thread."""

    def __init__(self, config: ExpressionsConfig, tracks: int) -> None:
        """tracks: how many participants at most. Raises ExpressionError where the process cannot be started."""
        self._python = sys.executable if config.python is None else _found(config.python)
        self._number = 0
        self._held = ExitStack()
        try:
            self._channel, theirs = socket.socketpair()
            self._held.callback(self._channel.close)
            self._output, output = os.pipe()
            self._held.callback(os.close, self._output)
            os.set_blocking(self._output, False)
            # MediaPipe writes what it likes: a full pipe must not hold it up.
            os.set_blocking(output, False)
            caches = self._held.enter_context(tempfile.TemporaryDirectory(prefix="guard-tracker-"))
            landmarker = (config.landmarker or Path()).expanduser().absolute()
            settings = TrackerSettings(theirs.fileno(), os.getpid(), _memory_bytes(tracks), landmarker)
            with theirs, os.fdopen(output, "wb", 0) as written:
                self._process = subprocess.Popen(
                    [self._python, "-P", "-c", _BOOT, str(Path(guard.__file__).parent.parent), *settings.arguments()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=written,
                    pass_fds=[theirs.fileno()],
                    cwd="/",
                    env=_environment(caches),
                    # Ctrl-C is for the guard, which ends its tracker. Not a session of its own: where these share the
                    # processor (autogroups, sched(7)), it would have as large a share as the guard.
                    process_group=0,
                )
        except OSError as error:
            self._held.close()
            why = f"cannot start {self._python}: {error.strerror or error}; set expressions.python to a Python"
            raise ExpressionError(why, retryable=False) from error

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def wait_ready(self) -> str:
        """Until it tracks; what runs and how it is confined. Raises ExpressionError where it cannot, or ends."""
        reply = self._reply(START_SECONDS)
        if reply.kind is ReplyKind.REFUSED:
            raise ExpressionError(reply.text or "the tracker refuses to run", retryable=False)
        if reply.kind is not ReplyKind.READY:
            raise ExpressionError(_BROKEN, retryable=True)
        return reply.text

    def track(self, frame: WaitingFrame) -> Reply:
        """What the tracker sees in this frame. Raises ExpressionError where it has ended, hangs or talks nonsense."""
        self._number += 1
        self._send(Order(OrderKind.TRACK, self._number, frame.track, frame.seconds, frame.pixels.tobytes()))
        reply = self._reply(SILENT_SECONDS)
        if reply.kind is not ReplyKind.SAMPLE or reply.number != self._number:
            raise ExpressionError(_BROKEN, retryable=True)
        return reply

    def forget(self, track: int) -> None:
        """This participant has left. Raises ExpressionError where the tracker has ended or hangs."""
        self._send(Order(OrderKind.FORGET, 0, track))

    def kill(self) -> None:
        """End the process, from any thread: who waits for it gets an ExpressionError."""
        with suppress(ProcessLookupError):
            self._process.kill()

    def close(self) -> None:
        """End the process and free what belongs to it."""
        self.kill()
        self._process.wait()
        self._held.close()

    def _send(self, order: Order) -> None:
        self._channel.settimeout(SILENT_SECONDS)
        try:
            self._channel.sendall(write_order(order))
        except TimeoutError as error:
            raise ExpressionError(_SILENT, retryable=True) from error
        except OSError as error:
            raise self._end() from error

    def _reply(self, seconds: float) -> Reply:
        record, deadline = b"", time.monotonic() + seconds
        try:
            while len(record) < REPLY_BYTES:
                self._channel.settimeout(max(deadline - time.monotonic(), 0.001))
                part = self._channel.recv(REPLY_BYTES - len(record))
                if not part:
                    raise self._end()
                record += part
            return read_reply(record)
        except TimeoutError as error:
            raise ExpressionError(_SILENT, retryable=True) from error
        except OSError as error:
            raise self._end() from error
        except ValueError as error:
            raise ExpressionError(_BROKEN, retryable=True) from error

    def _end(self) -> ExpressionError:
        """Why the process ended, as far as it can be known."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        said = self._last_line()
        status = self._process.poll()
        how = "closed its socket" if status is None else f"ended with {_status_text(status)}"
        return ExpressionError(f"the tracker of expressions {how}{said and f' ({said})'}", retryable=True)

    def _last_line(self) -> str:
        """Of what it wrote first, which is all that the pipe has kept."""
        try:
            written = os.read(self._output, 1 << 16)
        except OSError:
            return ""
        lines = [line for line in written[-_OUTPUT_BYTES:].decode("utf-8", "replace").splitlines() if line.strip()]
        return one_line(lines[-1].strip(), _MOST_CHARACTERS) if lines else ""


_SILENT = "the tracker of expressions did not answer in time"
_BROKEN = "the tracker of expressions broke its protocol"


def _found(python: Path) -> str:
    """As a shell finds it from here: the process starts elsewhere. Links stay, which environments need."""
    named = str(python.expanduser())
    return str(Path(shutil.which(named) or named).absolute())


def _memory_bytes(tracks: int) -> int:
    return _BASE_BYTES + tracks * (_TRACK_BYTES + (os.cpu_count() or 1) * _CORE_BYTES)


def _status_text(status: int) -> str:
    if status >= 0:
        return f"status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


def _environment(caches: str) -> dict[str, str]:
    """Nothing of the guard's own environment, which holds tokens."""
    return {
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        # MediaPipe loads matplotlib, which wants a folder to write to.
        "MPLCONFIGDIR": caches,
        # Every arena reserves 64 MB of the address space that the tracker may have.
        "MALLOC_ARENA_MAX": "2",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
