"""After it, a process has no internet: tried by a real one."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from engines import system_call_filter
from engines.system_call_filter import PASS, refuse, without_internet

_TRIALS = """
import socket, threading
from engines.expressions.no_network import give_up_internet
waiting, go = threading.Event(), threading.Event()
def tried(family, kind):
    try:
        socket.socket(family, kind).close()
        return "done"
    except PermissionError:
        return "refused"
told = []
def older():
    waiting.set()
    go.wait()
    told.append(tried(socket.AF_INET, socket.SOCK_STREAM))
thread = threading.Thread(target=older)
thread.start()
waiting.wait()
give_up_internet()
give_up_internet()
go.set()
thread.join()
for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX):
    told += [tried(family, kind) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)]
print(*told)
open("/proc/self/status").close()
"""


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in system_call_filter._SECCOMP, reason="needs seccomp"
)
def test_no_socket_of_the_internet_is_made_any_more_also_by_threads_that_ran_before() -> None:
    ended = subprocess.run([sys.executable, "-c", _TRIALS], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout.split() == ["refused"] * 5 + ["done"] * 2


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_jump_lands_inside(machine: str) -> None:
    program = without_internet(machine, refuse())
    for at, (code, on_true, on_false, _) in enumerate(program):
        if code in (system_call_filter.EQUAL, system_call_filter.AT_LEAST):
            assert at + 1 + max(on_true, on_false) < len(program)
    assert program[-1] == PASS
