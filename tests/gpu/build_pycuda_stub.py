"""Builds pycuda on a machine without a GPU or a driver, against a libcuda of our own that knows no device.

    python tests/gpu/build_pycuda_stub.py FOLDER [--cuda /usr/local/cuda] [--version 2026.1]

FOLDER gets `stub/libcuda.so`, and `site/` with pycuda and what it needs, for the Python that runs this. It takes about
two minutes of one core. `WHODRIVES_PYCUDA_STUB=FOLDER pytest tests/gpu` then plays a machine without a GPU on which
pycuda is installed. The stub answers every call with "no device": never install it anywhere else.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

NO_DEVICE = 100
"""CUDA_ERROR_NO_DEVICE."""

_NEEDED = ("pytools", "mako", "markupsafe", "platformdirs", "siphash24", "typing_extensions")
_TEXTS = """
int cuGetErrorString(int error, const char **text) { *text = "no CUDA-capable device (stub)"; return 0; }
int cuGetErrorName(int error, const char **text) { *text = "CUDA_ERROR_NO_DEVICE"; return 0; }
"""


def main() -> None:
    """Read the arguments and build."""
    parser = argparse.ArgumentParser(description="Build pycuda against a stub of libcuda.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cuda", type=Path, default=Path("/usr/local/cuda"), help="folder of the CUDA toolkit")
    parser.add_argument("--version", default="2026.1", help="of pycuda")
    given = parser.parse_args()
    folder, cuda = given.folder.resolve(), given.cuda.resolve()
    if not (cuda / "include" / "cuda.h").is_file():
        parser.error(f"{cuda} holds no include/cuda.h; name the CUDA toolkit's folder with --cuda")
    build_stub(cuda, folder / "stub")
    build_pycuda(cuda, folder, given.version)


def build_stub(cuda: Path, folder: Path) -> None:
    """A shared library with every function of the driver's header, each of which only says that there is no device.

    It takes every one: the linker leaves out a library that defines too little of what it is asked for, and pycuda's
    module then fails to load in place of failing to find a device.
    """
    folder.mkdir(parents=True, exist_ok=True)
    headers = "#include <cuda.h>\n#include <cudaProfiler.h>\n"
    include = f"-I{cuda / 'include'}"
    command = ["gcc", "-E", "-P", include, "-"]
    declared = subprocess.run(command, input=headers, capture_output=True, text=True, check=True).stdout
    names = set(re.findall(r"\bCUresult\s+(cu[A-Z]\w*)\s*\(", declared)) - set(re.findall(r"\b(cu\w+)\(int", _TEXTS))
    source = folder / "stub.c"
    source.write_text("".join(f"int {name}(void) {{ return {NO_DEVICE}; }}\n" for name in sorted(names)) + _TEXTS)
    library = folder / "libcuda.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", "-o", library, source], check=True)
    sys.stdout.write(f"{library}: {len(names)} functions\n")


def build_pycuda(cuda: Path, folder: Path, version: str) -> None:
    """pycuda from its source distribution, linked with the stub, and what it needs, into `folder / "site"`."""
    # An nvcc on the PATH outside of the toolkit would be taken for the toolkit's root.
    environment = {**os.environ, "PATH": f"{cuda / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    site, pip = folder / "site", [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    with tempfile.TemporaryDirectory() as place:
        wanted = f"pycuda=={version}"
        fetch = [*pip, "download", "--quiet", "--no-deps", "--no-binary=pycuda", wanted]
        subprocess.run([*fetch, "-d", place], check=True)
        with tarfile.open(next(Path(place).glob("pycuda-*.tar.gz"))) as archive:
            archive.extractall(place, filter="data")
        source = next(path for path in Path(place).glob("pycuda-*") if path.is_dir())
        settings = {
            "CUDA_ROOT": str(cuda),
            "CUDA_ENABLE_CURAND": False,
            "CUDADRV_LIB_DIR": [str(folder / "stub")],
            "CUDART_LIB_DIR": [str(cuda / "lib64")],
        }
        (source / "siteconf.py").write_text("".join(f"{name} = {value!r}\n" for name, value in settings.items()))
        install = [*pip, "install", "--quiet", "--upgrade", "--no-deps", "--target", str(site)]
        subprocess.run([*install, str(source), *_NEEDED], env=environment, check=True)
    sys.stdout.write(f"{site}: pycuda {version}\n")


if __name__ == "__main__":
    main()
