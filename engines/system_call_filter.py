"""Filters of system calls for the own process (seccomp(2), BPF without libseccomp). Only the standard library.

What is refused fails with EPERM, so that a library that only tried goes on.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
from collections.abc import Sequence

Instruction = tuple[int, int, int, int]
"""Code, jump if true, jump if false, operand."""

LOAD, EQUAL, AT_LEAST, ANY_BIT, AND, RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
ALLOW, ERRNO, KILL = 0x7FFF0000, 0x00050000, 0x80000000
PASS: Instruction = (RETURN, 0, 0, ALLOW)
AF_INET, AF_INET6 = 2, 10

# Offsets in struct seccomp_data.
_NR, _ARCH, _ARGUMENTS = 0, 4, 16
_PR_SET_NO_NEW_PRIVS = 38
_SET_MODE_FILTER, _FLAG_TSYNC = 1, 1
_X32_BIT = 0x40000000
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_SOCKET = {"x86_64": 41, "aarch64": 198}


def load(offset: int) -> Instruction:
    """Take a word of what the call is about."""
    return LOAD, 0, 0, offset


def argument(index: int) -> int:
    """Offset of the lower half of an argument."""
    return _ARGUMENTS + 8 * index


def refuse(error: int = errno.EPERM) -> Instruction:
    """The call fails."""
    return RETURN, 0, 0, ERRNO | error


def preamble(machine: str) -> list[Instruction]:
    """Ends the process for calls of another architecture, and leaves the call's number loaded.

    Raises KeyError for a machine that is not known.
    """
    program = [load(_ARCH), (EQUAL, 1, 0, _AUDIT_ARCH[machine]), (RETURN, 0, 0, KILL), load(_NR)]
    if machine == "x86_64":
        program += [(AT_LEAST, 0, 1, _X32_BIT), refuse()]
    return program


def refuse_new_privileges(libc: ctypes.CDLL) -> None:
    """Nothing that this process executes gains rights; needed before a filter. Raises OSError."""
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_NO_NEW_PRIVS)")


def install(libc: ctypes.CDLL, program: Sequence[Instruction]) -> None:
    """Filter this process from now on, all of its threads and all that it starts. Raises OSError."""
    machine = platform.machine()
    if platform.system() != "Linux" or machine not in _SECCOMP:
        raise OSError(errno.ENOSYS, f"no filter of system calls on {platform.system()} {machine}")
    code = b"".join(struct.pack("<HBBI", *instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    filter_ = _SockFprog(len(program), ctypes.addressof(buffer))
    if libc.syscall(_SECCOMP[machine], _SET_MODE_FILTER, _FLAG_TSYNC, ctypes.byref(filter_)) != 0:
        raise OSError(ctypes.get_errno(), "seccomp(SECCOMP_SET_MODE_FILTER)")


def without_internet(machine: str, otherwise: Instruction) -> list[Instruction]:
    """`otherwise` happens to whoever asks for a socket of the internet; everything else is left.

    Raises KeyError for a machine that is not known.
    """
    rule = [load(argument(0)), (EQUAL, 1, 0, AF_INET), (EQUAL, 0, 1, AF_INET6), otherwise]
    return [*preamble(machine), (EQUAL, 0, len(rule), _SOCKET[machine]), *rule, PASS]


class _SockFprog(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))
