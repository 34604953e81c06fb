"""What a worker may not do any more, in force before it takes the first byte from a network.

Every measure stands by itself and says whether it holds: a kernel that lacks one is no reason to go without the rest,
and none to be silent about it.
"""

from __future__ import annotations

import ctypes
import resource
from collections.abc import Callable
from functools import partial

from guard.isolation import seccomp
from guard.isolation.messages import Measure, WorkerSettings, short
from guard.isolation.own_limits import die_with, drop_user, limit, refuse_new_privileges

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
        ("memory limit", partial(limit, resource.RLIMIT_AS, settings.memory_bytes, "bytes of address space")),
        ("file limit", partial(limit, resource.RLIMIT_NOFILE, files, "open files")),
        ("no core dumps", partial(limit, resource.RLIMIT_CORE, 0, "bytes")),
        ("unprivileged user", drop_user),
        ("ends with the guard", partial(die_with, libc, settings.parent)),
        ("no new privileges", partial(refuse_new_privileges, libc)),
        ("system call filter", partial(_filter, libc, tcp=uses_tcp, reading=bool(urls))),
    )
    return tuple(_measure(name, step) for name, step in steps)


def _measure(name: str, step: Callable[[], str]) -> Measure:
    try:
        return Measure(name=name, holds=True, detail=step())
    except (OSError, ValueError) as error:
        return Measure(name=name, holds=False, detail=short(str(error)))


def _filter(libc: ctypes.CDLL, *, tcp: bool, reading: bool) -> str:
    seccomp.install(libc, tcp=tcp, reading=reading)
    files = "files can be read (names of ICE servers)" if reading else "no file can be opened"
    return f"no processes, no {'' if tcp else 'TCP, no '}signals to others; {files}"
