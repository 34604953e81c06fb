"""The kernels touch nothing that is not theirs: AddressSanitizer and UBSan watch them, in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.engines.kernels.host_device import SANITIZED, build_host_library, missing_compiler

RUNTIMES = ("libasan.so", "libubsan.so")


@pytest.fixture(scope="module")
def runtimes() -> str:
    """The sanitizers' libraries, as LD_PRELOAD takes them: Python itself is not linked with them."""
    if reason := missing_compiler():
        pytest.skip(reason)
    paths = []
    for name in RUNTIMES:
        found = subprocess.run(["g++", f"-print-file-name={name}"], capture_output=True, text=True, check=True)
        path = Path(found.stdout.strip())
        if not path.is_absolute():
            pytest.skip(f"g++ has no {name}")
        paths.append(str(path.resolve()))
    return ":".join(paths)


@pytest.fixture(scope="module")
def sanitized_library(runtimes: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_host_library(tmp_path_factory.mktemp("sanitized"), SANITIZED)


def run_sanitized(library: Path, runtimes: str, what: str) -> subprocess.CompletedProcess[str]:
    """Run one case of `sanitized_run`. Python itself never frees some of what it has: leaks are not looked for."""
    environment = {**os.environ, "LD_PRELOAD": runtimes, "ASAN_OPTIONS": "detect_leaks=0", "PYTHONMALLOC": "malloc"}
    command = [sys.executable, "-m", "tests.engines.kernels.sanitized_run", str(library), what]
    return subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)


def test_random_sequence_is_clean(sanitized_library: Path, runtimes: str) -> None:
    done = run_sanitized(sanitized_library, runtimes, "sequence")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["begun", "done"]
    assert "runtime error" not in done.stderr


@pytest.mark.parametrize(
    ("what", "message"), [("overread", "heap-buffer-overflow"), ("misaligned", "misaligned address")]
)
def test_planted_fault_is_found(sanitized_library: Path, runtimes: str, what: str, message: str) -> None:
    done = run_sanitized(sanitized_library, runtimes, what)
    assert done.returncode != 0
    assert done.stdout.split() == ["begun"]
    assert message in done.stderr
