"""Stand-ins for trackers, face frames for them, and the real one where there is one."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from guard.config import ExpressionsConfig
from guard.media.front_end import FaceFrame
from tests.conftest import REPOSITORY

_SCRIPT = """#!{python}
import sys
sys.path.insert(0, {repository!r})
from tests.guard.expressions.stand_in_tracker import main
main()
"""

StandIn = Callable[..., ExpressionsConfig]


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Settings with a tracker that does what `mode` says, see stand_in_tracker.py."""
    for name in ("ENABLED", "LANDMARKER", "PYTHON"):  # they would win over what a test says
        monkeypatch.delenv(f"GUARD_EXPRESSIONS__{name}", raising=False)
    python = tmp_path / "python"
    python.write_text(_SCRIPT.format(python=sys.executable, repository=str(REPOSITORY)))
    python.chmod(0o755)
    tmp_path.chmod(0o755)
    return lambda mode="works": ExpressionsConfig(enabled=True, landmarker=Path("/models") / mode, python=python)


@pytest.fixture(scope="session")
def real_tracker() -> ExpressionsConfig:
    """Settings as a user makes them, GUARD_EXPRESSIONS__LANDMARKER and ..__PYTHON; skipped without."""
    landmarker, python = (os.environ.get(f"GUARD_EXPRESSIONS__{name}") for name in ("LANDMARKER", "PYTHON"))
    if landmarker is None:
        pytest.skip("no face landmarker is named (GUARD_EXPRESSIONS__LANDMARKER, GUARD_EXPRESSIONS__PYTHON)")
    return ExpressionsConfig(enabled=True, landmarker=Path(landmarker), python=None if python is None else Path(python))


def face(brightness: int, seconds: float, arrival_seconds: float | None = None) -> FaceFrame:
    """A crop of one brightness."""
    return FaceFrame(
        pixels=np.full((128, 128), brightness, np.uint8),
        continues=True,
        pts_seconds=seconds,
        arrival_seconds=seconds if arrival_seconds is None else arrival_seconds,
        capture_seconds=None,
        crop_generation=1,
        fps=30.0,
        pixels_seconds=0.0,
    )
