"""What a process gives up for good, step by step. Only the standard library: trackers run where no other package is.

Each step says on one line what holds from now on, and raises OSError or ValueError where this system lacks it.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal

from engines import system_call_filter

_PR_SET_PDEATHSIG = 1
_NOBODY = 65534


def limit(which: int, value: int, unit: str) -> str:
    """Lower one of RLIMIT_*, the hard limit too."""
    _, highest = resource.getrlimit(which)
    value = value if highest == resource.RLIM_INFINITY else min(value, highest)
    resource.setrlimit(which, (value, value))
    return f"{value} {unit}"


def drop_user() -> str:
    """From root to nobody; any other user stays."""
    if os.geteuid() != 0:
        return f"user {os.geteuid()}, as the guard"
    os.setgroups([])
    os.setresgid(_NOBODY, _NOBODY, _NOBODY)
    os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    return f"user {_NOBODY} in place of root"


def die_with(libc: ctypes.CDLL, parent: int) -> str:
    """End with the thread of `parent` that started this process. After the change of user, which would clear it."""
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        os._exit(0)
    return "SIGKILL at the guard's end"


def refuse_new_privileges(libc: ctypes.CDLL) -> str:
    """Nothing that this process executes gains rights."""
    system_call_filter.refuse_new_privileges(libc)
    return "set"
