"""Where the GPU's code comes from: what is shipped, the cache, a compiler, and one clear error where there is none."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from engines.cuda import compile as compilation
from engines.cuda.compile import KERNELS, compile_here, default_cache, module_images, shipped_fatbin, source_sha256
from engines.cuda.nvcc import Nvcc, find_nvcc
from engines.cuda.nvrtc import find_nvrtc
from engines.errors import BackendUnavailableError


class CountingCompiler:
    """Gives its version as code, and counts how often."""

    def __init__(self, version: str = "1") -> None:
        self.identity = f"counting {version}"
        self.runs = 0

    def cubin(self, folder: Path, unit: str, architecture: int) -> bytes:
        self.runs += 1
        return f"{self.identity} {unit} {architecture}".encode()


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A copy of the kernels, to be changed."""
    return Path(shutil.copytree(KERNELS, tmp_path / "kernels"))


def missing(text: str) -> Nvcc:
    raise BackendUnavailableError(text)


def test_result_is_kept_until_sources_compiler_or_architecture_change(sources: Path, tmp_path: Path) -> None:
    cache, compiler = tmp_path / "cache", CountingCompiler()
    first = compile_here(compiler, 90, cache, sources)
    again = compile_here(compiler, 90, cache, sources)
    assert (first.content, compiler.runs) == (again.content, 1)
    assert "cache" in again.origin
    compile_here(compiler, 80, cache, sources)
    assert compiler.runs == 2
    (sources / "luma.cu").write_text("// other\n")
    compile_here(compiler, 90, cache, sources)
    assert compiler.runs == 3
    newer = CountingCompiler("2")
    assert compile_here(newer, 90, cache, sources).content == b"counting 2 kernels.cu 90"


def test_cache_that_others_may_write_to_is_not_used(tmp_path: Path) -> None:
    cache, compiler = tmp_path / "cache", CountingCompiler()
    compile_here(compiler, 90, cache)
    (kept,) = cache.iterdir()
    kept.write_bytes(b"somebody else's")
    cache.chmod(0o777)
    assert compile_here(compiler, 90, cache).content == b"counting 1 kernels.cu 90"
    assert compiler.runs == 2


def test_cache_lies_in_the_users_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "whodrives" / "kernels"


@pytest.mark.parametrize("damage", ["source", "fatbin", "facts"])
def test_fatbin_that_does_not_fit_is_not_shipped(sources: Path, damage: str) -> None:
    assert shipped_fatbin(sources) == (sources / "kernels.fatbin").read_bytes()
    name = {"source": "difference.cu", "fatbin": "kernels.fatbin", "facts": "kernels.fatbin.json"}[damage]
    with (sources / name).open("ab") as file:
        file.write(b" x")
    assert shipped_fatbin(sources) is None


def test_names_of_sources_count(sources: Path) -> None:
    before = source_sha256(sources)
    (sources / "luma.cu").rename(sources / "light.cu")
    assert source_sha256(sources) != before


def test_shipped_image_comes_first_and_compilers_only_when_it_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    compiler = CountingCompiler()
    monkeypatch.setattr(compilation, "find_nvcc", lambda: missing("no nvcc"))
    monkeypatch.setattr(compilation, "find_nvrtc", lambda: compiler)
    images = module_images(90, tmp_path)
    assert next(images).content == (KERNELS / "kernels.fatbin").read_bytes()
    assert compiler.runs == 0
    assert next(images).content == b"counting 1 kernels.cu 90"
    with pytest.raises(
        BackendUnavailableError,
        match=r"no CUDA kernels for sm_90: the driver refused the shipped.*no nvcc.*refused what counting 1 compiled",
    ):
        next(images)


def test_nvcc_says_what_is_wrong(sources: Path) -> None:
    try:
        nvcc = find_nvcc()
    except BackendUnavailableError as error:
        pytest.skip(str(error))
    (sources / "kernels.cu").write_text("__global__ void broken() { nonsense(); }\n")
    with pytest.raises(BackendUnavailableError, match=r'nvcc .* failed .*"nonsense" is undefined'):
        nvcc.cubin(sources, "kernels.cu", 90)


def test_no_nvcc_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackendUnavailableError, match="nvcc is not on PATH"):
        find_nvcc()


def test_nvrtc_compiles_without_a_toolkit(sources: Path) -> None:
    try:
        nvrtc = find_nvrtc()
    except BackendUnavailableError as error:
        pytest.skip(str(error))
    assert nvrtc.cubin(sources, "kernels.cu", 90).startswith(b"\x7fELF")
    (sources / "luma.cu").write_text("nonsense\n")
    with pytest.raises(BackendUnavailableError, match=r"luma\.cu.*error"):
        nvrtc.cubin(sources, "kernels.cu", 90)
