"""The host device of a test session: the kernels are compiled for it once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.kernels.host_device import HostDevice, build_host_library, missing_compiler


@pytest.fixture(scope="session")
def host_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kernels compiled for the host; the test is skipped where there is no compiler."""
    if reason := missing_compiler():
        pytest.skip(reason)
    return build_host_library(tmp_path_factory.mktemp("kernels"))


@pytest.fixture
def host_device(host_library: Path) -> Iterator[HostDevice]:
    """A host device that owns nothing yet."""
    device = HostDevice(host_library)
    yield device
    device.close()
