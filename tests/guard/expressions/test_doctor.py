"""`guard doctor` says whether expressions can be tracked, and why not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from guard import doctor
from guard.config import ExpressionsConfig, GuardConfig
from guard.expressions import tracker_process
from tests.guard.expressions.conftest import StandIn

Diagnose = Callable[[ExpressionsConfig], tuple[bool, str, str]]


@pytest.fixture
def diagnose(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Diagnose:
    """Runs this check alone: whether all is well, what was found, what to do."""
    monkeypatch.setattr(doctor, "_CHECKS", {"expressions": doctor._CHECKS["expressions"]})

    def run(settings: ExpressionsConfig) -> tuple[bool, str, str]:
        doctor.run_doctor(GuardConfig(expressions=settings), as_json=True)
        [check] = json.loads(capsys.readouterr().out)["checks"]
        return check["ok"], check["detail"], check["advice"]

    return run


def test_off_is_no_trouble(diagnose: Diagnose, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GUARD_EXPRESSIONS__LANDMARKER", raising=False)
    ok, detail, _ = diagnose(ExpressionsConfig())
    assert ok
    assert detail == "off (expressions.enabled), and no model file is named (expressions.landmarker)"


def test_off_it_says_whether_it_could_be_on(diagnose: Diagnose, stand_in: StandIn) -> None:
    ok, detail, _ = diagnose(stand_in().model_copy(update={"enabled": False}))
    assert ok
    assert detail.startswith("off (expressions.enabled), could be on: ")
    ok, detail, _ = diagnose(stand_in("refuses").model_copy(update={"enabled": False}))
    assert ok
    assert "could not be on: MediaPipe 1.2.2 is newer" in detail


def test_on_it_starts_a_tracker(diagnose: Diagnose, stand_in: StandIn) -> None:
    ok, detail, _ = diagnose(stand_in())
    assert ok
    assert detail.startswith("12.5 a second of each participant; ")
    assert detail.endswith("no network, no files, no processes")


def test_why_it_cannot_run_and_what_to_do(diagnose: Diagnose, stand_in: StandIn, tmp_path: Path) -> None:
    ok, detail, advice = diagnose(stand_in("refuses"))
    assert (ok, detail) == (False, "MediaPipe 1.2.2 is newer than what was checked")
    assert advice == "pip install mediapipe==0.10.35"
    ok, detail, advice = diagnose(stand_in().model_copy(update={"python": tmp_path / "none"}))
    assert (ok, advice) == (False, "set expressions.python to a Python")
    assert "No such file or directory" in detail


def test_a_confinement_that_does_not_hold_is_trouble(
    diagnose: Diagnose, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without(_link: object) -> str:
        return "MediaPipe 0.10.35; idle priority, NOT no network, no files, no processes (no table for riscv64)"

    monkeypatch.setattr("guard.expressions.tracker_link.TrackerLink.wait_ready", without)
    ok, detail, advice = diagnose(stand_in())
    assert (ok, advice) == (False, "use a kernel that has it")
    assert "no table for riscv64" in detail


def test_enabled_without_a_model_file_is_no_setting() -> None:
    with pytest.raises(ValueError, match=r"need landmarker, the path of face_landmarker_v2\.task"):
        ExpressionsConfig(enabled=True)


def test_settings_reach_the_process(tmp_path: Path) -> None:
    settings = tracker_process.TrackerSettings(7, 42, 1 << 30, tmp_path / "a model.task")
    assert tracker_process.TrackerSettings.from_arguments(settings.arguments()) == settings
