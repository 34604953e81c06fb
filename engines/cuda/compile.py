"""The kernels as code that a GPU loads: the fatbin that is shipped, or what is compiled here where that is refused.

`engines/kernels/kernels.fatbin` holds machine code for every architecture in `ARCHITECTURES` and PTX for newer ones. It
is committed and part of the wheel, so that no user needs a compiler: it is small, nvcc makes the same bytes from the
same sources, and tests hold it against them. `python -m engines.cuda.compile` makes it anew after a change.

A driver older than the compiler's CUDA refuses it, and it does not fit sources that have been changed: then the kernels
are compiled for the GPU at hand, by nvcc or else by NVRTC, and kept in the user's cache folder as plans are
(`engines/code_cache.py`).
"""

from __future__ import annotations

import hashlib
import json
import logging
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from engines.code_cache import CacheKey, CodeCache, default_code_cache
from engines.cuda.gpu import Gpu
from engines.cuda.nvcc import find_nvcc
from engines.cuda.nvrtc import find_nvrtc
from engines.errors import BackendUnavailableError, CodeCacheError

logger = logging.getLogger(__name__)

KERNELS = Path(__file__).parent.parent / "kernels"
UNIT = "kernels.cu"
"""The file that includes all others."""
FATBIN = "kernels.fatbin"
FATBIN_FACTS = "kernels.fatbin.json"
ARCHITECTURES = (75, 80, 86, 89, 90, 100, 120)
"""Ten times the compute capability. CUDA 13 knows nothing older than 75; the newest comes as PTX too."""

COMPILE_RECIPE = "1"
"""To be raised whenever the compilers' options change, so that nothing is taken that was compiled with the old ones."""


class Compiler(Protocol):
    """Something that turns the kernels into machine code."""

    @property
    def identity(self) -> str:
        """Name and version: part of what a result is kept under."""

    def cubin(self, folder: Path, unit: str, architecture: int) -> bytes:
        """Machine code for one architecture. Raises BackendUnavailableError with what the compiler said."""


@dataclass(frozen=True, slots=True)
class Image:
    """A module to load. origin: in words, for reports."""

    content: bytes
    origin: str


def source_sha256(folder: Path = KERNELS) -> str:
    """Hash over the names and contents of everything that the kernels are compiled from."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.iterdir() if path.suffix in (".cu", ".cuh")):
        digest.update(f"{path.name}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def module_images(gpu: Gpu, cache: CodeCache | None = None, folder: Path = KERNELS) -> Iterator[Image]:
    """Modules for this GPU, the best one first; take the first that loads. cache: the user's by default.

    Each is made only when asked for. Raises BackendUnavailableError, saying why, after the last one.
    """
    refusals = []
    shipped = shipped_fatbin(folder)
    if shipped is None:
        refusals.append(f"{FATBIN} does not belong to the kernels' sources")
    else:
        yield Image(shipped, f"shipped {FATBIN}")
        refusals.append(f"the driver refused the shipped {FATBIN}")
    for find in (find_nvcc, find_nvrtc):
        try:
            compiler = find()
            image = compile_here(compiler, gpu, cache or default_code_cache("kernels"), folder)
        except BackendUnavailableError as error:
            refusals.append(str(error))
        else:
            yield image
            refusals.append(f"the driver refused what {compiler.identity} compiled")
    raise BackendUnavailableError(f"no CUDA kernels for sm_{gpu.architecture}: {', '.join(refusals)}")


def shipped_fatbin(folder: Path = KERNELS) -> bytes | None:
    """The fatbin beside the sources, or None where it was made from others."""
    try:
        content = (folder / FATBIN).read_bytes()
        facts = json.loads((folder / FATBIN_FACTS).read_bytes())
    except (OSError, ValueError):
        return None
    fits = facts["source_sha256"] == source_sha256(folder) and facts["sha256"] == hashlib.sha256(content).hexdigest()
    return content if fits else None


def compile_here(compiler: Compiler, gpu: Gpu, cache: CodeCache, folder: Path = KERNELS) -> Image:
    """Machine code for one GPU, from the cache where it can be trusted. Raises BackendUnavailableError."""
    key = kernels_key(compiler, gpu, folder)
    found = cache.load(key)
    if found.content is not None:
        return Image(found.content, f"{compiler.identity}, from the cache")
    if found.refusal is not None:
        logger.warning("kernels in the cache are refused and compiled anew: %s", found.refusal)
    content = compiler.cubin(folder, UNIT, gpu.architecture)
    try:
        cache.store(key, content)
    except CodeCacheError as error:
        # It only means that the next start compiles again.
        logger.warning("%s", error)
    return Image(content, compiler.identity)


def kernels_key(compiler: Compiler, gpu: Gpu, folder: Path = KERNELS) -> CacheKey:
    """Everything that compiled kernels depend on."""
    facts = {
        "recipe": COMPILE_RECIPE,
        "source_sha256": source_sha256(folder),
        "compiler": compiler.identity,
        "gpu": gpu.name,
        "compute_capability": gpu.compute_capability,
        "driver_cuda": gpu.cuda,
    }
    return CacheKey(f"kernels-sm_{gpu.architecture}", facts)


def _write_whole(path: Path, content: bytes) -> None:
    """So that nobody ever reads half of it."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(content)
    Path(file.name).replace(path)


def main() -> int:
    """Compile the shipped fatbin anew."""
    try:
        nvcc = find_nvcc()
        content = nvcc.fatbin(KERNELS, UNIT, ARCHITECTURES).content
    except BackendUnavailableError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    facts = {
        "source_sha256": source_sha256(),
        "sha256": hashlib.sha256(content).hexdigest(),
        "compiler": nvcc.identity,
        "architectures": [f"sm_{number}" for number in ARCHITECTURES] + [f"compute_{ARCHITECTURES[-1]}"],
    }
    _write_whole(KERNELS / FATBIN, content)
    _write_whole(KERNELS / FATBIN_FACTS, f"{json.dumps(facts, indent=2)}\n".encode())
    for name in (FATBIN, FATBIN_FACTS):
        (KERNELS / name).chmod(0o644)
    sys.stderr.write(f"{KERNELS / FATBIN}: {len(content)} bytes by {nvcc.identity}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
