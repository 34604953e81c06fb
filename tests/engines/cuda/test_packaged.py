"""Whoever installs the wheel has the kernels, compiled and as sources."""

from __future__ import annotations

from hatchling.builders.wheel import WheelBuilder

from engines.cuda.compile import FATBIN, FATBIN_FACTS, KERNELS
from tests.conftest import REPOSITORY


def test_kernels_are_in_the_wheel() -> None:
    packed = {entry.distribution_path for entry in WheelBuilder(str(REPOSITORY)).recurse_included_files()}
    wanted = [FATBIN, FATBIN_FACTS, *(path.name for path in KERNELS.glob("*.cu*"))]
    assert len(wanted) == 12
    assert {f"engines/kernels/{name}" for name in wanted} <= packed
