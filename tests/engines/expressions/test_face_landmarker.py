"""What a tracker must be before it is used, with a stand-in for MediaPipe where there is none."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from engines.errors import EngineError, TrackerError
from engines.expressions.face_landmarker import face_finder


def stand_in(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    """A MediaPipe of this version without anything in it."""
    package = ModuleType("mediapipe")
    package.__version__ = version  # type: ignore[attr-defined]
    python = ModuleType("mediapipe.tasks.python")
    vision = ModuleType("mediapipe.tasks.python.vision")
    python.BaseOptions, python.vision = object, vision  # type: ignore[attr-defined]
    modules = {"mediapipe": package, "mediapipe.tasks": ModuleType("mediapipe.tasks"), "mediapipe.tasks.python": python}
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)


def test_without_mediapipe_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    finder = face_finder(tmp_path / "any.task", video=True)
    with pytest.raises(TrackerError, match=r"pip install mediapipe==0\.10\.35"), finder:
        pass


@pytest.mark.parametrize("version", ["0.10.36", "0.11.0", "1.0", "1.2.2"])
def test_a_mediapipe_that_nobody_has_checked_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str
) -> None:
    stand_in(monkeypatch, version)
    finder = face_finder(tmp_path / "any.task", video=True)
    with pytest.raises(TrackerError, match=f"MediaPipe {version} is newer than what was checked"), finder:
        pass


@pytest.mark.parametrize("version", ["0.10.35", "0.10.21"])
def test_another_model_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str) -> None:
    stand_in(monkeypatch, version)
    (tmp_path / "other.task").write_bytes(b"another")
    with pytest.raises(TrackerError, match="is another model"), face_finder(tmp_path / "other.task", video=True):
        pass


def test_a_missing_model_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stand_in(monkeypatch, "0.10.35")
    finder = face_finder(tmp_path / "none.task", video=False)
    with pytest.raises(EngineError, match=r"no face landmarker file at .*none\.task"), finder:
        pass
