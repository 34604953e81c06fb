"""What a worker may not do any more, in force before it takes the first byte from a network.

Every measure stands by itself and says whether it holds: a kernel that lacks one is no reason to go without the rest,
and none to be silent about it.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from collections.abc import Callable
from functools import partial

from guard.isolation import seccomp
from guard.isolation.messages import Measure, WorkerSettings, short

_PR_SET_PDEATHSIG = 1
_NOBODY = 65534
_BASE_FILES = 64
_FILES_PER_STREAM = 16
"""Sockets of a peer connection on a machine with many addresses."""


def confine(settings: WorkerSettings) -> tuple[Measure, ...]:
    """Give up for good what decoding video does not need. All imports must be done."""
    libc = ctypes.CDLL(None, use_errno=True)
    urls = [server.url for server in settings.calls.ice_servers]
    uses_tcp = any(url.startswith("turns:") or url.endswith("transport=tcp") for url in urls)
    files = _BASE_FILES + _FILES_PER_STREAM * settings.calls.max_participants
    steps: tuple[tuple[str, Callable[[], str]], ...] = (
        ("memory limit", partial(_limit, resource.RLIMIT_AS, settings.memory_bytes, "bytes of address space")),
        ("file limit", partial(_limit, resource.RLIMIT_NOFILE, files, "open files")),
        ("no core dumps", partial(_limit, resource.RLIMIT_CORE, 0, "bytes")),
        ("unprivileged user", _drop_user),
        ("ends with the guard", partial(_die_with, libc, settings.parent)),
        ("no new privileges", partial(_refuse_new_privileges, libc)),
        ("system call filter", partial(_filter, libc, tcp=uses_tcp, reading=bool(urls))),
    )
    return tuple(_measure(name, step) for name, step in steps)


def _measure(name: str, step: Callable[[], str]) -> Measure:
    try:
        return Measure(name=name, holds=True, detail=step())
    except (OSError, ValueError) as error:
        return Measure(name=name, holds=False, detail=short(str(error)))


def _limit(which: int, value: int, unit: str) -> str:
    _, highest = resource.getrlimit(which)
    value = value if highest == resource.RLIM_INFINITY else min(value, highest)
    resource.setrlimit(which, (value, value))
    return f"{value} {unit}"


def _drop_user() -> str:
    if os.geteuid() != 0:
        return f"user {os.geteuid()}, as the guard"
    os.setgroups([])
    os.setresgid(_NOBODY, _NOBODY, _NOBODY)
    os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    return f"user {_NOBODY} in place of root"


def _die_with(libc: ctypes.CDLL, parent: int) -> str:
    # After the change of user, which would clear it.
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        os._exit(0)
    return "SIGKILL at the guard's end"


def _refuse_new_privileges(libc: ctypes.CDLL) -> str:
    seccomp.refuse_new_privileges(libc)
    return "set"


def _filter(libc: ctypes.CDLL, *, tcp: bool, reading: bool) -> str:
    seccomp.install(libc, tcp=tcp, reading=reading)
    files = "files can be read (names of ICE servers)" if reading else "no file can be opened"
    return f"no processes, no {'' if tcp else 'TCP, no '}signals to others; {files}"
