"""What the verification tests share."""

from __future__ import annotations

import pytest

from tests.guard.verify.driver_space import DriverSpace, driver_space


@pytest.fixture(scope="session")
def space() -> DriverSpace:
    """Drivers whose comparison scores are known."""
    return driver_space()
