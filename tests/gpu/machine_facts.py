"""On what, and with what, the evidence was measured."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
from pathlib import Path

import engines

_PACKAGES = ("numpy", "pycuda", "cuda-bindings", "torch", "triton", "tensorrt", "tensorrt-rtx", "onnxruntime")
_QUERY = "--query-gpu=name,driver_version,memory.total,clocks.max.sm,clocks.max.memory,power.limit"


def machine_facts() -> dict[str, str | None]:
    """None for what is not installed or does not answer."""
    facts: dict[str, str | None] = {
        "python": platform.python_version(),
        "kernel": platform.release(),
        "cpu_cores": str(os.cpu_count()),
        "gpu": _said("nvidia-smi", _QUERY, "--format=csv,noheader"),
        "commit": _said("git", "-C", str(Path(engines.__file__).parents[1]), "rev-parse", "HEAD"),
    }
    return facts | {name: _version(name) for name in _PACKAGES}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _said(*command: str) -> str | None:
    if shutil.which(command[0]) is None:
        return None
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return done.stdout.strip() if done.returncode == 0 else None
