"""NVIDIA's compiler as a library, from PyPI (cuda-bindings and nvidia-cuda-nvrtc): needs no toolkit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines.errors import BackendUnavailableError

_INSTALL = "pip install cuda-bindings nvidia-cuda-nvrtc"


@dataclass(frozen=True, slots=True)
class Nvrtc:
    """The library's Python module and its version, as "13.0"."""

    module: Any
    version: str

    @property
    def identity(self) -> str:
        """Name and version."""
        return f"NVRTC {self.version}"

    def cubin(self, folder: Path, unit: str, architecture: int) -> bytes:
        """Machine code for one architecture. Raises BackendUnavailableError with what NVRTC said."""
        # Every other file is handed over under its name: NVRTC then looks into no folder at all.
        others = sorted(path for path in folder.iterdir() if path.suffix in (".cu", ".cuh") and path.name != unit)
        names, contents = [path.name.encode() for path in others], [path.read_bytes() for path in others]
        source = (folder / unit).read_bytes()
        program = self._call("nvrtcCreateProgram", source, unit.encode(), len(others), contents, names)
        try:
            options = [b"--std=c++17", f"--gpu-architecture=sm_{architecture}".encode()]
            try:
                self._call("nvrtcCompileProgram", program, len(options), options)
            except BackendUnavailableError as error:
                raise BackendUnavailableError(f"{error}: {self._log(program)}") from None
            content = b" " * int(self._call("nvrtcGetCUBINSize", program))
            self._call("nvrtcGetCUBIN", program, content)
            return content
        finally:
            self.module.nvrtcDestroyProgram(program)

    def _log(self, program: Any) -> str:
        """The first line in which the compiler names an error."""
        log = b" " * int(self._call("nvrtcGetProgramLogSize", program))
        self._call("nvrtcGetProgramLog", program, log)
        lines = log.rstrip(b"\0 \n").decode(errors="replace").splitlines()
        return next((line for line in lines if "error" in line), "no message")

    def _call(self, function: str, *arguments: Any) -> Any:
        return _call(self.module, function, *arguments)


def find_nvrtc() -> Nvrtc:
    """The installed NVRTC. Raises BackendUnavailableError where there is none."""
    try:
        from cuda.bindings import nvrtc
    except ImportError as error:
        raise BackendUnavailableError(f"NVRTC is not installed ({error}, {_INSTALL})") from None
    try:
        version = _call(nvrtc, "nvrtcVersion")
    except RuntimeError as error:  # the bindings load the library itself only now
        raise BackendUnavailableError(f"NVRTC does not load ({error}, {_INSTALL})") from None
    return Nvrtc(nvrtc, "{}.{}".format(*version))


def _call(module: Any, function: str, *arguments: Any) -> Any:
    """Call a function that returns its error code first; the rest of what it returns, alone or as a tuple."""
    code, *results = getattr(module, function)(*arguments)
    if code != module.nvrtcResult.NVRTC_SUCCESS:
        raise BackendUnavailableError(f"NVRTC: {function} failed ({code.name})")
    return results[0] if len(results) == 1 else tuple(results)
