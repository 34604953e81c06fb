"""What a process under the filter can still do, tried by a real one."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from guard.isolation.seccomp import _NUMBERS, filter_program

needs_table = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in _NUMBERS, reason="no system call table for this machine"
)

TRIALS = """
import ctypes, os, signal, socket, sys, threading
from engines.system_call_filter import refuse_new_privileges
from guard.isolation import seccomp
libc = ctypes.CDLL(None, use_errno=True)
tcp, reading, udp = (text == "True" for text in sys.argv[1:])
here = open(__file__ if "__file__" in globals() else "/proc/self/status")
refuse_new_privileges(libc)
seccomp.install(libc, tcp=tcp, reading=reading, udp=udp)

def tried(name, work):
    try:
        work()
        print(name, "done")
    except PermissionError:
        print(name, "refused")

tried("fork", lambda: os._exit(0) if os.fork() == 0 else os.wait())
tried("exec", lambda: os.execv("/bin/true", ["true"]))
tried("kill", lambda: os.kill(os.getppid(), 0))
tried("read", lambda: open("/proc/self/status").close())
tried("write", lambda: open("/tmp/guard-seccomp-test", "w").close())
tried("unlink", lambda: os.unlink("/tmp/guard-seccomp-test"))
tried("tcp", lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM).close())
tried("udp", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close())
tried("unix", lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).close())
tried("pair", lambda: socket.socketpair()[0].close())
thread = threading.Thread(target=lambda: tried("read in a thread", lambda: open("/proc/self/status").close()))
thread.start()
thread.join()
try:
    signal.pidfd_send_signal(1, 0)
    print("pidfd done")
except OSError as error:
    print("pidfd", "refused" if error.errno == 1 else error)
sys.stdout.flush()
os.abort()
"""


@needs_table
@pytest.mark.parametrize(("tcp", "reading", "udp"), [(False, False, True), (True, True, True), (False, False, False)])
def test_a_filtered_process_is_left_threads_and_udp_where_asked(tcp: bool, reading: bool, udp: bool) -> None:
    arguments = [sys.executable, "-c", TRIALS, str(tcp), str(reading), str(udp)]
    ended = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
    told = dict(line.rsplit(" ", 1) for line in ended.stdout.splitlines())
    refused = {name for name, what in told.items() if what == "refused"}
    always = {"fork", "exec", "kill", "write", "unlink", "unix", "pidfd"}
    asked = (set() if tcp else {"tcp"}) | (set() if udp else {"udp"})
    assert refused == always | asked | (set() if reading else {"read", "read in a thread"})
    assert {"udp", "pair"} <= set(told)
    assert ended.returncode < 0, "it can end itself"


@pytest.mark.parametrize("machine", sorted(_NUMBERS))
@pytest.mark.parametrize("tcp", [False, True])
@pytest.mark.parametrize("reading", [False, True])
@pytest.mark.parametrize("udp", [False, True])
def test_every_jump_of_a_filter_lands_inside_it_and_every_path_returns(
    machine: str, tcp: bool, reading: bool, udp: bool
) -> None:
    program = filter_program(machine, 1234, tcp=tcp, reading=reading, udp=udp)
    returns, jumps = 0x06, (0x15, 0x35, 0x45)
    for at, (code, on_true, on_false, _) in enumerate(program):
        if code in jumps:
            assert max(on_true, on_false) < 256
            assert at + 1 + max(on_true, on_false) < len(program)
        elif code != returns:
            assert at + 1 < len(program)
    assert program[-1][0] == returns
    assert len(program) < 4096
