"""What every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real talking-head material; the test is skipped where it is absent."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real talking-head material is not on this machine")
    return folder


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of reference vectors of the published network; the test is skipped where it is absent."""
    folder = REPOSITORY.parent / "shared" / "golden"
    if not folder.is_dir():
        pytest.skip("the golden vectors are not on this machine")
    return folder
