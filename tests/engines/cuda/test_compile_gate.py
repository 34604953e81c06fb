"""Every kernel compiles for every architecture within its registers, and what is shipped is what comes out."""

from __future__ import annotations

import json
import re

import pytest

from engines.cuda.compile import ARCHITECTURES, FATBIN_FACTS, KERNELS, UNIT, shipped_fatbin
from engines.cuda.nvcc import Fatbin, Nvcc, find_nvcc
from engines.errors import BackendUnavailableError

MOST_REGISTERS = 40
"""With 256 threads to a block, six blocks fill the 1,536 threads that the smaller GPUs hold."""

_KERNEL = re.compile(
    r"Compiling entry function '(?P<name>\w+)' for 'sm_(?P<architecture>\d+)'.*?"
    r"(?P<stack>\d+) bytes stack frame, (?P<stores>\d+) bytes spill stores, (?P<loads>\d+) bytes spill loads.*?"
    r"Used (?P<registers>\d+) registers",
    re.DOTALL,
)


@pytest.fixture(scope="module")
def nvcc() -> Nvcc:
    try:
        return find_nvcc()
    except BackendUnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def fatbin(nvcc: Nvcc) -> Fatbin:
    return nvcc.fatbin(KERNELS, UNIT, ARCHITECTURES)


def kernel_names() -> set[str]:
    """Every kernel that the sources define."""
    sources = "".join(path.read_text() for path in KERNELS.glob("*.cu"))
    return set(re.findall(r'extern "C" __global__ void __launch_bounds__\(THREADS\)\s+(\w+)', sources))


def test_registers_and_spills(fatbin: Fatbin) -> None:
    found = {(match["name"], int(match["architecture"])): match for match in _KERNEL.finditer(fatbin.resource_usage)}
    assert len(kernel_names()) == 8
    assert set(found) == {(name, architecture) for name in kernel_names() for architecture in ARCHITECTURES}
    over = {
        kernel: match[0]
        for kernel, match in found.items()
        if int(match["registers"]) > MOST_REGISTERS or any(int(match[part]) for part in ("stack", "stores", "loads"))
    }
    assert not over


def test_shipped_fatbin_belongs_to_the_sources() -> None:
    assert shipped_fatbin() is not None, "run python -m engines.cuda.compile and commit what it writes"


def test_shipped_fatbin_is_what_nvcc_makes(nvcc: Nvcc, fatbin: Fatbin) -> None:
    made_by = json.loads((KERNELS / FATBIN_FACTS).read_text())["compiler"]
    if made_by != nvcc.identity:
        pytest.skip(f"the shipped one was made by {made_by}, this is {nvcc.identity}")
    assert shipped_fatbin() == fatbin.content
