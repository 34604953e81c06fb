"""A network namespace of the test's own, with one address that is no loopback."""

from __future__ import annotations

import ctypes
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ADDRESS = "10.77.0.1"
_CLONE_NEWNET = 0x40000000


def why_unavailable() -> str | None:
    """Why no namespace can be made here, or None where one can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "no `ip` (iproute2) on this machine"
    return None


@contextmanager
def network_namespace() -> Iterator[str]:
    """Make a namespace, move this thread (and what it starts) into it, and remove it at the end.

    Janus offers no loopback candidate, so the namespace has a veth pair whose one end bears `ADDRESS`. There is no
    route to anywhere else.
    """
    name = f"guard-{secrets.token_hex(4)}"
    _ip("netns", "add", name)
    try:
        _ip("-n", name, "link", "add", "va", "type", "veth", "peer", "name", "vb")
        _ip("-n", name, "address", "add", f"{ADDRESS}/24", "dev", "va")
        for device in ("lo", "va", "vb"):
            _ip("-n", name, "link", "set", device, "up")
        with _entered(Path("/run/netns") / name):
            yield name
    finally:
        _ip("netns", "delete", name)


@contextmanager
def _entered(namespace: Path) -> Iterator[None]:
    # Of this thread, not of the process: threads that run already stay where they are.
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        _enter(namespace)
        try:
            yield
        finally:
            _set_namespace(home)
    finally:
        os.close(home)


def _enter(namespace: Path) -> None:
    descriptor = os.open(namespace, os.O_RDONLY)
    try:
        _set_namespace(descriptor)
    finally:
        os.close(descriptor)


def _set_namespace(descriptor: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=10)
