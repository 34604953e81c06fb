"""A witness folder is read back as it was written, and refused with a reason where anything in it differs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engines.errors import ModelFolderError
from engines.witnesses.folder import available_witnesses, find_witness, read_witness_folder
from engines.witnesses.manifest import WitnessManifest
from tests.engines.witnesses.made_witness import made_movements, write_made_witness


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_made_witness(tmp_path, "facial_codes", "blendshapes", made_movements())


def test_reads_back_what_was_written(folder: Path) -> None:
    witness = read_witness_folder(folder)
    assert (witness.spec.name, witness.spec.reads, witness.spec.channels) == ("facial_codes", "blendshapes", 52)
    assert witness.spec.window_seconds == 2.0
    assert witness.spec.calibration.cohort.shape == (24, 52)
    assert not witness.spec.calibration.cohort.flags.writeable
    assert witness.explanation is not None
    assert witness.explanation.tokens[4].words == "movement 4"
    assert 5 not in witness.explanation.tokens
    assert witness.pictures["pictures/4.png"].startswith(b"\x89PNG")


def test_a_witness_need_not_explain_itself(tmp_path: Path) -> None:
    witness = read_witness_folder(write_made_witness(tmp_path, "expression_dynamics", "signals"))
    assert witness.explanation is None
    assert witness.pictures == {}


@pytest.mark.parametrize("name", ["embed.onnx", "cohort.npy", "explanation.json", "pictures/4.png"])
def test_every_file_is_checked(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-1])
    with pytest.raises(ModelFolderError, match=rf"{name}.*truncated.*copy the witness folder again"):
        read_witness_folder(folder)
    (folder / name).write_bytes(bytes([content[0] ^ 1]) + content[1:])
    with pytest.raises(ModelFolderError, match=rf"{name}.*SHA-256"):
        read_witness_folder(folder)
    (folder / name).unlink()
    with pytest.raises(ModelFolderError, match=rf"{name}.*missing"):
        read_witness_folder(folder)


def _set(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        for parent in parents:
            content = content[parent]
        content[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_set("format", 2), "witness format 2"),
        (_set("calibration.slope", 3.0), "altered afterwards"),
        (_set("calibration.slope", -1.0), "calibration.slope"),
        (_set("name", "../evil"), "name"),
        (_set("spec.reads", "pixels"), "spec.reads"),
        (_set("spec.window_frames", 0), "spec.window_frames"),
        (_set("documents", {"../../passwd": {"size_bytes": 1, "sha256": "0" * 64}}), "documents"),
        (_set("documents", {"pictures/../x": {"size_bytes": 1, "sha256": "0" * 64}}), "documents"),
        (_set("files", {}), "lists no embed.onnx, cohort.npy"),
    ],
)
def test_a_changed_manifest_is_refused(folder: Path, change: Callable[[dict[str, Any]], None], reason: str) -> None:
    path = folder / "witness.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ModelFolderError, match=reason):
        read_witness_folder(folder)


def test_a_cohort_of_another_length_is_refused(folder: Path) -> None:
    path = folder / "witness.json"
    content = json.loads(path.read_text())
    content["spec"]["embedding_size"] = 17
    content["documents"] = {}
    content["model_sha256"] = WitnessManifest.model_validate(content).computed_model_sha256()
    path.write_text(json.dumps(content))
    with pytest.raises(ModelFolderError, match=r"cohort.npy: needs float32 \(at least 2, 17\)"):
        read_witness_folder(folder)


def test_what_is_no_witness_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError, match="no witness folder"):
        read_witness_folder(tmp_path)
    with pytest.raises(ModelFolderError, match="no such witness folder"):
        read_witness_folder(tmp_path / "nowhere")
    with pytest.raises(ModelFolderError, match="no witness 'nowhere'"):
        find_witness("nowhere")


@pytest.mark.parametrize("name", available_witnesses())
def test_every_shipped_witness_is_intact(name: str) -> None:
    assert read_witness_folder(find_witness(name)).spec.name == name
