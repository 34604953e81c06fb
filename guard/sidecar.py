"""A process beside the guard, from its start to its end. Blocks: for a thread that does nothing else.

Sidecars run what is large, slow or strange to the guard: they talk over a socket, hold nothing of the guard's
environment, and end with it.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import guard
from guard.errors import SidecarError
from guard.one_line import one_line

_EXIT_SECONDS = 5.0
"""Of the process, after its socket: on a full machine it takes its time."""
_OUTPUT_BYTES = 4096
_MOST_CHARACTERS = 200
_PART_BYTES = 1 << 20
# This guard's packages, whatever version the environment has; and of its site-packages nothing else.
_BOOT = (
    "import sys; root = sys.argv.pop(1); sys.path.insert(0, root); import engines, {package}; sys.path.remove(root); "
    "from {module} import main; main(sys.argv[1:])"
)


@dataclass(frozen=True, slots=True)
class SidecarKind:
    """What such a process is. name: for people. module: whose `main` it runs. setting: that names its Python.

    error: what is raised of it.
    """

    name: str
    module: str
    setting: str
    error: type[SidecarError]


class Sidecar:
    """Starts one when made, talks to it, and ends it. All but `kill` is for one thread."""

    def __init__(self, kind: SidecarKind, python: Path | None, arguments: Callable[[int], Sequence[str]]) -> None:
        """python: None for the guard's own. arguments: of its `main`, which gets this file descriptor of its socket.

        Raises its error where the process cannot be started.
        """
        self._kind = kind
        self._python = sys.executable if python is None else _found(python)
        self._held = ExitStack()
        try:
            self._channel, theirs = socket.socketpair()
            self._held.callback(self._channel.close)
            self._output, output = os.pipe()
            self._held.callback(os.close, self._output)
            os.set_blocking(self._output, False)
            # Libraries write what they like: a full pipe must not hold them up.
            os.set_blocking(output, False)
            caches = self._held.enter_context(tempfile.TemporaryDirectory(prefix="guard-sidecar-"))
            boot = _BOOT.format(package=kind.module.partition(".")[0], module=kind.module)
            root = str(Path(guard.__file__).parent.parent)
            with theirs, os.fdopen(output, "wb", 0) as written:
                self._process = subprocess.Popen(
                    [self._python, "-P", "-c", boot, root, *arguments(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=written,
                    pass_fds=[theirs.fileno()],
                    cwd="/",
                    env=_environment(caches),
                    # Ctrl-C is for the guard, which ends its sidecars. Not a session of its own: where these share the
                    # processor (autogroups, sched(7)), it would have as large a share as the guard.
                    process_group=0,
                )
        except OSError as error:
            self._held.close()
            why = f"cannot start {self._python}: {error.strerror or error}; set {kind.setting} to a Python"
            raise kind.error(why, retryable=False) from error

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def send(self, content: bytes, seconds: float) -> None:
        """All of it, within so many seconds. Raises its error where it has ended or hangs."""
        self._channel.settimeout(seconds)
        try:
            self._channel.sendall(content)
        except TimeoutError as error:
            raise self._silent() from error
        except OSError as error:
            raise self._end() from error

    def receive(self, count: int, seconds: float) -> bytes:
        """So many bytes, within so many seconds. Raises its error where it has ended or hangs."""
        content, deadline = bytearray(), time.monotonic() + seconds
        try:
            while len(content) < count:
                self._channel.settimeout(max(deadline - time.monotonic(), 0.001))
                part = self._channel.recv(min(count - len(content), _PART_BYTES))
                if not part:
                    raise self._end()
                content += part
        except TimeoutError as error:
            raise self._silent() from error
        except OSError as error:
            raise self._end() from error
        return bytes(content)

    def broken(self) -> SidecarError:
        """To raise where it talks nonsense."""
        return self._kind.error(f"{self._kind.name} broke its protocol", retryable=True)

    def kill(self) -> None:
        """End the process, from any thread: who waits for it gets its error."""
        with suppress(ProcessLookupError):
            self._process.kill()

    def close(self) -> None:
        """End the process and free what belongs to it."""
        self.kill()
        self._process.wait()
        self._held.close()

    def _silent(self) -> SidecarError:
        return self._kind.error(f"{self._kind.name} did not answer in time", retryable=True)

    def _end(self) -> SidecarError:
        """Why the process ended, as far as it can be known."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_EXIT_SECONDS)
        said = self._last_line()
        status = self._process.poll()
        how = "closed its socket" if status is None else f"ended with {_status_text(status)}"
        return self._kind.error(f"{self._kind.name} {how}{said and f' ({said})'}", retryable=True)

    def _last_line(self) -> str:
        """Of what it wrote first, which is all that the pipe has kept."""
        try:
            written = os.read(self._output, 1 << 16)
        except OSError:
            return ""
        lines = [line for line in written[-_OUTPUT_BYTES:].decode("utf-8", "replace").splitlines() if line.strip()]
        return one_line(lines[-1].strip(), _MOST_CHARACTERS) if lines else ""


def _found(python: Path) -> str:
    """As a shell finds it from here: the process starts elsewhere. Links stay, which environments need."""
    named = str(python.expanduser())
    return str(Path(shutil.which(named) or named).absolute())


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
        # Every arena reserves 64 MB of the address space that a sidecar may have.
        "MALLOC_ARENA_MAX": "2",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
