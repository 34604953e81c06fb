"""A filter of system calls for a process that decodes hostile video (seccomp(2)).

What is refused fails with EPERM, so that a library that only tried goes on. Processes, other people's memory, files
and the kernel's rarer corners are out of reach; threads, memory and UDP are left.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform

from engines.system_call_filter import (
    AF_INET,
    AF_INET6,
    AND,
    ANY_BIT,
    EQUAL,
    PASS,
    Instruction,
    argument,
    load,
    preamble,
    refuse,
)
from engines.system_call_filter import install as install_program

_CLONE_THREAD = 0x00010000
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_SOCK_TYPE_MASK, _SOCK_STREAM = 0xF, 1
_AF_NETLINK = 16

# Numbers from the kernel's own tables; a call that the architecture lacks is left out.
_NUMBERS = {
    machine: {name: int(number) for name, number in (entry.split("=") for entry in table.split())}
    for machine, table in {
        "x86_64": """
            execve=59 execveat=322 fork=57 vfork=58 clone=56 clone3=435 seccomp=317
            ptrace=101 process_vm_readv=310 process_vm_writev=311 kill=62 tkill=200 tgkill=234
            rt_sigqueueinfo=129 rt_tgsigqueueinfo=297 pidfd_send_signal=424 pidfd_getfd=438
            open=2 openat=257 openat2=437 creat=85 open_by_handle_at=304 truncate=76 memfd_create=319
            unlink=87 unlinkat=263 rename=82 renameat=264 renameat2=316 mkdir=83 mkdirat=258 rmdir=84
            symlink=88 symlinkat=266 link=86 linkat=265 mknod=133 mknodat=259
            chmod=90 fchmod=91 fchmodat=268 chown=92 fchown=93 fchownat=260
            mount=165 umount2=166 pivot_root=155 chroot=161 unshare=272 setns=308
            bpf=321 perf_event_open=298 userfaultfd=323 keyctl=250 add_key=248 request_key=249
            init_module=175 finit_module=313 kexec_load=246 io_uring_setup=425
            prlimit64=302 setrlimit=160 socket=41 listen=50
        """,
        "aarch64": """
            execve=221 execveat=281 clone=220 clone3=435 seccomp=277
            ptrace=117 process_vm_readv=270 process_vm_writev=271 kill=129 tkill=130 tgkill=131
            rt_sigqueueinfo=138 rt_tgsigqueueinfo=240 pidfd_send_signal=424 pidfd_getfd=438
            openat=56 openat2=437 open_by_handle_at=265 truncate=45 memfd_create=279
            unlinkat=35 renameat=38 renameat2=276 mkdirat=34 symlinkat=36 linkat=37 mknodat=33
            fchmod=52 fchmodat=53 fchown=55 fchownat=54
            mount=40 umount2=39 pivot_root=41 chroot=51 unshare=97 setns=268
            bpf=280 perf_event_open=241 userfaultfd=282 keyctl=219 add_key=217 request_key=218
            init_module=105 finit_module=273 kexec_load=104 io_uring_setup=425
            prlimit64=261 setrlimit=164 socket=198 listen=201
        """,
    }.items()
}


def filter_program(machine: str, pid: int, *, tcp: bool, reading: bool, udp: bool = True) -> list[Instruction]:
    """The filter for process `pid`; `tcp` leaves it stream sockets, `udp` those for datagrams, `reading` lets it open
    files to read. Without `udp` it makes no socket at all.

    Raises KeyError for a machine whose numbers are not known.
    """
    numbers = _NUMBERS[machine]
    program = preamble(machine)
    for name, number in numbers.items():
        rule = _rule(name, pid, tcp, reading, udp)
        program += [(EQUAL, 0, len(rule), number), *rule]
    return [*program, PASS]


def _rule(name: str, pid: int, tcp: bool, reading: bool, udp: bool) -> list[Instruction]:
    """What to do with one call; every path ends in a return."""
    match name:
        case "clone3":
            # Its flags lie in memory, where a filter cannot look; the C library then takes `clone`.
            return [refuse(errno.ENOSYS)]
        case "clone":
            return [load(argument(0)), (ANY_BIT, 1, 0, _CLONE_THREAD), refuse(), PASS]
        case "tgkill":  # `abort` uses it on its own process
            return [load(argument(0)), (EQUAL, 1, 0, pid), refuse(), PASS]
        case "prlimit64":  # reads and lowers the own limits
            return [load(argument(0)), (EQUAL, 1, 0, 0), refuse(), PASS]
        case "openat" | "open" if reading:
            flags = argument(2 if name == "openat" else 1)
            return [load(flags), (ANY_BIT, 0, 1, _WRITING), refuse(), PASS]
        case "socket" if udp:
            families: list[Instruction] = [
                load(argument(0)),
                (EQUAL, 3, 0, AF_INET),
                (EQUAL, 2, 0, AF_INET6),
                (EQUAL, 1, 0, _AF_NETLINK),
                refuse(),
            ]
            if tcp:
                return [*families, PASS]
            kinds: list[Instruction] = [
                load(argument(1)),
                (AND, 0, 0, _SOCK_TYPE_MASK),
                (EQUAL, 0, 1, _SOCK_STREAM),
                refuse(),
                PASS,
            ]
            return [*families, *kinds]
    return [refuse()]


def install(libc: ctypes.CDLL, *, tcp: bool, reading: bool, udp: bool = True) -> None:
    """Filter this process from now on, all of its threads. Raises OSError."""
    machine = platform.machine()
    if machine not in _NUMBERS:
        raise OSError(errno.ENOSYS, f"no table of system calls for {machine}")
    install_program(libc, filter_program(machine, os.getpid(), tcp=tcp, reading=reading, udp=udp))
