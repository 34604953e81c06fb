"""Where the GPU's code comes from: what is shipped, the cache, a compiler, and one clear error where there is none."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from engines.code_cache import CodeCache
from engines.cuda import compile as compilation
from engines.cuda.compile import KERNELS, compile_here, kernels_key, module_images, shipped_fatbin, source_sha256
from engines.cuda.gpu import Gpu
from engines.cuda.nvcc import Nvcc, find_nvcc
from engines.cuda.nvrtc import find_nvrtc
from engines.errors import BackendUnavailableError

H100 = Gpu("NVIDIA H100", (9, 0), "13.0")


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


@pytest.fixture
def cache(tmp_path: Path) -> CodeCache:
    """An empty one."""
    return CodeCache(tmp_path / "cache")


def missing(text: str) -> Nvcc:
    raise BackendUnavailableError(text)


def test_result_is_kept_until_something_that_it_depends_on_changes(sources: Path, cache: CodeCache) -> None:
    compiler = CountingCompiler()
    first = compile_here(compiler, H100, cache, sources)
    again = compile_here(compiler, H100, cache, sources)
    assert (first.content, compiler.runs) == (again.content, 1)
    assert "cache" in again.origin
    others = replace(H100, capability=(8, 0)), replace(H100, cuda="13.1"), replace(H100, name="NVIDIA GH200")
    for runs, other in enumerate(others, start=2):
        compile_here(compiler, other, cache, sources)
        assert compiler.runs == runs
    (sources / "luma.cu").write_text("// other\n")
    compile_here(compiler, H100, cache, sources)
    assert compiler.runs == 5
    newer = CountingCompiler("2")
    assert compile_here(newer, H100, cache, sources).content == b"counting 2 kernels.cu 90"


def test_kept_code_is_distrusted_as_plans_are(cache: CodeCache, caplog: pytest.LogCaptureFixture) -> None:
    """Altered in its place: compiled anew, and kept in its stead. The rest is `test_code_cache`'s."""
    compiler = CountingCompiler()
    compile_here(compiler, H100, cache)
    kept = cache.folder / kernels_key(compiler, H100).file_name
    kept.write_bytes(b"somebody else's")
    assert compile_here(compiler, H100, cache).content == b"counting 1 kernels.cu 90"
    assert compiler.runs == 2
    assert "was altered" in caplog.text
    compile_here(compiler, H100, cache)
    assert compiler.runs == 2
    assert kept.stat().st_mode & 0o777 == 0o600


def test_cache_that_others_may_write_to_is_not_used(cache: CodeCache, caplog: pytest.LogCaptureFixture) -> None:
    compiler = CountingCompiler()
    compile_here(compiler, H100, cache)
    (cache.folder / kernels_key(compiler, H100).file_name).write_bytes(b"somebody else's")
    cache.folder.chmod(0o777)
    assert compile_here(compiler, H100, cache).content == b"counting 1 kernels.cu 90"
    assert compiler.runs == 2
    assert "chmod 700" in caplog.text


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
    monkeypatch: pytest.MonkeyPatch, cache: CodeCache
) -> None:
    compiler = CountingCompiler()
    monkeypatch.setattr(compilation, "find_nvcc", lambda: missing("no nvcc"))
    monkeypatch.setattr(compilation, "find_nvrtc", lambda: compiler)
    images = module_images(H100, cache)
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
