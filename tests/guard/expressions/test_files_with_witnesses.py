"""`guard enroll` and `guard score` with witnesses: heard where the tracker runs, a reason where it does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from demo.puppet_frames import FPS, make_player
from demo.recording import record
from engines.model_folder import read_model_folder
from engines.registry import find_model
from engines.witnesses.folder import read_witness_folder
from engines.witnesses.fusion_table import ENGINE, FusedSet
from guard.config import ExpressionsConfig, GuardConfig, StoreConfig, VerifyConfig, WitnessesConfig
from guard.errors import ConfigError
from guard.offline import enroll_files, score_file
from guard.opinion_report import print_opinions
from guard.verify.store import TemplateStore
from tests.engines.witnesses.made_witness import made_movements, write_made_witness
from tests.guard.expressions.conftest import StandIn
from tests.guard.verify.made_witnesses import made_table


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 seconds of one puppet driven by one person."""
    return record(make_player(7, 7, take=0), 12, FPS, tmp_path_factory.mktemp("recording") / "alice.webm")


@pytest.fixture(scope="module")
def witnesses(tmp_path_factory: pytest.TempPathFactory) -> WitnessesConfig:
    """Two witnesses of a formula, and weights for both."""
    folder = tmp_path_factory.mktemp("witnesses")
    paths = [
        write_made_witness(folder, "expression_dynamics", "signals"),
        write_made_witness(folder, "facial_codes", "blendshapes", made_movements()),
    ]
    models = {path.name: read_witness_folder(path).spec.model_sha256 for path in paths}
    models[ENGINE] = read_model_folder(find_model("default")).spec.model_sha256
    fused = FusedSet(weights=dict.fromkeys(models, 0.5), bias=0.0)
    table = made_table(models, fused)
    (folder / "fusion.json").write_text(table.model_dump_json())
    return WitnessesConfig(models=tuple(map(str, paths)), fusion=folder / "fusion.json")


class Files:
    """A guard for files, with templates of its own."""

    def __init__(self, folder: Path, expressions: ExpressionsConfig, witnesses: WitnessesConfig) -> None:
        store = StoreConfig(path=folder / "templates.sqlite3")
        verify = VerifyConfig(enrolment_seconds=8)
        self.config = GuardConfig(store=store, verify=verify, expressions=expressions, witnesses=witnesses)

    def enrol(self, recording: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
        enroll_files(self.config, "alice", [recording], "alice", as_json=True)
        return dict(json.loads(capsys.readouterr().out))

    def score(self, recording: Path, capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], str]:
        score_file(self.config, recording, "alice", as_json=True)
        captured = capsys.readouterr()
        return dict(json.loads(captured.out)), captured.err


def test_witnesses_take_part_in_files_as_in_calls(
    recording: Path, witnesses: WitnessesConfig, stand_in: StandIn, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = Files(tmp_path, stand_in(), witnesses)
    enrolled = files.enrol(recording, capsys)
    assert enrolled["missing"] == []
    assert {name: count >= 6 for name, count in enrolled["witnesses"].items()} == {
        "expression_dynamics": True,
        "facial_codes": True,
    }
    report, _ = files.score(recording, capsys)
    opinions = report["opinions"]
    assert [each["name"] for each in opinions["witnesses"]] == ["f5c", "expression_dynamics", "facial_codes"]
    assert all(each["heard"] > 0.5 for each in opinions["witnesses"])
    assert opinions["fused_llr_median"] is not None
    print_opinions(opinions, Console())
    printed = capsys.readouterr().out
    assert "Expression dynamics" in printed
    assert "all together" in printed


def test_without_a_tracker_the_engine_goes_on(
    recording: Path, witnesses: WitnessesConfig, stand_in: StandIn, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = Files(tmp_path, stand_in("refuses"), witnesses)
    enrolled = files.enrol(recording, capsys)
    assert enrolled["witnesses"] == {}
    (why,) = enrolled["missing"]
    assert why.startswith("no witness has a part in it: MediaPipe 1.2.2")
    assert TemplateStore(files.config.store).get("alice").parts == ()
    report, err = files.score(recording, capsys)
    assert report["llr_median"] is not None
    assert all(each["llr_median"] is None and each["why"] for each in report["opinions"]["witnesses"][1:])
    assert report["opinions"]["fused_llr_median"] is None
    (told,) = err.splitlines()
    assert told.startswith("no second opinions: MediaPipe 1.2.2")


def test_settings_that_name_what_is_not_there_are_refused(
    recording: Path, witnesses: WitnessesConfig, stand_in: StandIn, tmp_path: Path
) -> None:
    missing = witnesses.model_copy(update={"fusion": tmp_path / "nowhere.json"})
    twice = witnesses.model_copy(update={"models": (witnesses.models or ())[:1] * 2})
    for config, reason in ((missing, "no file"), (twice, "names a witness twice")):
        with pytest.raises(ConfigError, match=reason):
            enroll_files(Files(tmp_path, stand_in(), config).config, "alice", [recording], "alice", as_json=True)
