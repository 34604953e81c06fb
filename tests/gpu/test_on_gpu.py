"""What the issue demands of a machine with a GPU, as tests; each is skipped, with the reason, where it has none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gpu.bounds import check_bounds
from tests.gpu.evidence import SECTION_SECONDS, run_apart
from tests.gpu.section import UnavailableError
from tests.gpu.section_run import SECTIONS
from tests.gpu.stack import open_gpu_stack


@pytest.fixture(scope="module")
def gpu() -> None:
    try:
        open_gpu_stack().device.close()
    except UnavailableError as error:
        pytest.skip(f"no GPU to measure on: {error}")


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("name", SECTIONS)
def test_bounds_are_met(name: str, tmp_path: Path) -> None:
    section = run_apart(name, None, SECTION_SECONDS)
    if section.state == "unavailable":
        pytest.skip(f"{name}: {section.reason}")
    assert section.state == "measured", section.reason
    missed = [bound for bound in check_bounds({name: section}) if bound.section == name and bound.met is False]
    assert not missed
