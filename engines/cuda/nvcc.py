"""NVIDIA's compiler where a CUDA toolkit is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engines.errors import BackendUnavailableError

_LANGUAGE = "-std=c++17"


@dataclass(frozen=True, slots=True)
class Fatbin:
    """resource_usage: what the assembler says about registers and spills of each kernel."""

    content: bytes
    resource_usage: str


@dataclass(frozen=True, slots=True)
class Nvcc:
    """One nvcc: the program and its version, as "13.0.88"."""

    program: str
    version: str

    @property
    def identity(self) -> str:
        """Name and version."""
        return f"nvcc {self.version}"

    def cubin(self, folder: Path, unit: str, architecture: int) -> bytes:
        """Machine code for one architecture. Raises BackendUnavailableError with what nvcc said."""
        return self._run(folder, unit, ["-cubin", f"-arch=sm_{architecture}"])[0]

    def fatbin(self, folder: Path, unit: str, architectures: Sequence[int]) -> Fatbin:
        """Machine code for each architecture and PTX of the last, compressed. Raises BackendUnavailableError."""
        options = ["-fatbin", "--fatbin-options=-compress-all", "-Xptxas", "-v", *_targets(architectures)]
        return Fatbin(*self._run(folder, unit, options))

    def _run(self, folder: Path, unit: str, options: Sequence[str]) -> tuple[bytes, str]:
        with tempfile.TemporaryDirectory() as scratch:
            out = Path(scratch) / "out"
            # From the sources' folder and by name only: no path of this machine can get into the result.
            command = [self.program, _LANGUAGE, *options, unit, "-o", str(out)]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise BackendUnavailableError(f"{self.identity} failed ({_first_error(done.stderr)})")
            return out.read_bytes(), done.stderr


def find_nvcc() -> Nvcc:
    """The nvcc on PATH. Raises BackendUnavailableError where there is none that works."""
    program = shutil.which("nvcc")
    if program is None:
        raise BackendUnavailableError("nvcc is not on PATH (it comes with the CUDA toolkit)")
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    version = re.search(r"\bV(\d+\.\d+\.\d+)", done.stdout)
    if done.returncode != 0 or version is None:
        raise BackendUnavailableError(f"{program} does not tell its version ({_first_error(done.stderr)})")
    return Nvcc(program, version[1])


def _targets(architectures: Sequence[int]) -> list[str]:
    codes = [f"-gencode=arch=compute_{number},code=sm_{number}" for number in architectures]
    newest = architectures[-1]
    return [*codes, f"-gencode=arch=compute_{newest},code=compute_{newest}"]


def _first_error(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next((line for line in lines if "error" in line or "fatal" in line), lines[0] if lines else "no message")
