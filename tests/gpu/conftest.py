"""The host in the place of a GPU: the same sections on the kernels compiled by g++."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engines.device_stages import EachTimeAnew
from engines.model_folder import ModelFolder, read_model_folder
from engines.registry import find_model
from tests.engines.kernels.conftest import host_library
from tests.engines.kernels.host_device import HostDevice
from tests.gpu.device_clock import HostClock
from tests.gpu.stack import Stack

__all__ = ["host_library"]  # a fixture here too


@pytest.fixture
def host_stack(host_library: Path) -> Iterator[Stack]:
    """What `open_gpu_stack` gives, on the host."""
    device = HostDevice(host_library)
    yield Stack(device, HostClock(), EachTimeAnew())
    device.close()


@pytest.fixture(scope="session")
def model() -> ModelFolder:
    """The shipped engine's folder."""
    return read_model_folder(find_model("default"))
