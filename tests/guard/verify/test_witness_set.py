"""The witnesses of a guard come from its settings; whatever is wrong with one is said in one line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engines.errors import ModelFolderError
from engines.witnesses import folder as witness_folder
from engines.witnesses.folder import read_witness_folder
from engines.witnesses.fusion_table import ENGINE, FusedSet
from guard import doctor
from guard.config import ExpressionsConfig, GuardConfig, WitnessesConfig
from guard.errors import ConfigError
from guard.runtime import make_witnesses
from guard.verify import witness_set
from guard.verify.witness_set import load_witness_set
from tests.engines.witnesses.made_witness import made_movements, write_made_witness
from tests.guard.verify.driver_space import driver_space
from tests.guard.verify.made_witnesses import made_table

SPEC = driver_space().spec


@pytest.fixture(scope="module")
def codes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_made_witness(tmp_path_factory.mktemp("witnesses"), "facial_codes", "blendshapes", made_movements(6))


def weights_for(codes: Path, path: Path) -> Path:
    models = {ENGINE: SPEC.model_sha256, "facial_codes": read_witness_folder(codes).spec.model_sha256}
    table = made_table(models, FusedSet(weights=dict.fromkeys(models, 1.0), bias=0.0))
    path.write_text(table.model_dump_json())
    return path


def test_it_holds_what_the_settings_name(codes: Path, tmp_path: Path) -> None:
    config = WitnessesConfig(models=(str(codes),), fusion=weights_for(codes, tmp_path / "fusion.json"))
    found = load_witness_set(config, SPEC)
    assert [loaded.witness.spec.name for loaded in found.witnesses] == ["facial_codes"]
    assert found.witnesses[0].explanation is not None
    assert sorted(found.pictures["facial_codes"]) == ["0.png", "2.png", "4.png"]
    assert found.fusion.fuse(1.0, {"facial_codes": 1.0}) is not None
    other_engine = load_witness_set(config, replace(SPEC, model_sha256="b" * 64))
    assert other_engine.fusion.fuse(1.0, {"facial_codes": 1.0}) is None


def test_all_shipped_ones_are_asked_where_none_is_named(
    codes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witness_folder, "MODELS_FOLDER", codes.parent)
    assert len(load_witness_set(WitnessesConfig(), SPEC).witnesses) == 1
    monkeypatch.setattr(witness_folder, "MODELS_FOLDER", tmp_path)
    assert load_witness_set(WitnessesConfig(), SPEC).witnesses == ()


def test_nothing_is_loaded_where_expressions_are_off(codes: Path) -> None:
    config = GuardConfig(witnesses=WitnessesConfig(models=("/nowhere",)))
    assert make_witnesses(config, SPEC) is None
    on = config.model_copy(update={"expressions": ExpressionsConfig(enabled=True, landmarker=Path("/a.task"))})
    with pytest.raises(ModelFolderError, match="no witness '/nowhere'"):
        make_witnesses(on, SPEC)
    assert make_witnesses(on.model_copy(update={"witnesses": WitnessesConfig(models=())}), SPEC) is None


def test_bad_settings_are_refused(codes: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="names a witness twice"):
        load_witness_set(WitnessesConfig(models=(str(codes), str(codes))), SPEC)
    with pytest.raises(ConfigError, match="no file"):
        load_witness_set(WitnessesConfig(models=(str(codes),), fusion=tmp_path / "no.json"), SPEC)
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(ModelFolderError, match=r"bad\.json: .*fit it again"):
        load_witness_set(WitnessesConfig(models=(str(codes),), fusion=tmp_path / "bad.json"), SPEC)


def test_the_doctor_says_what_each_is_good_for(codes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witness_set, "FUSION_FILE", tmp_path / "none-is-shipped.json")
    plain = GuardConfig(witnesses=WitnessesConfig(models=(str(codes),)))
    assert doctor._witnesses(plain) == (
        "facial_codes 0.1 (not weighed: no fusion weights were fitted for it), silent while expressions are off"
    )
    weighed = WitnessesConfig(models=(str(codes),), fusion=weights_for(codes, tmp_path / "fusion.json"))
    told = doctor._witnesses(GuardConfig(witnesses=weighed))
    assert "not weighed: its fusion weights were fitted for another version" in told, "of the engine that is shipped"
    assert doctor._witnesses(GuardConfig(witnesses=WitnessesConfig(models=()))).startswith("none is shipped or set")
