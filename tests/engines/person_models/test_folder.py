"""A folder of person models is trusted whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engines.errors import ModelFolderError
from engines.person_models.folder import GENERAL_FILE, MANIFEST_FILE, read_person_manifest, read_person_models
from tests.engines.person_models.made_folder import ANYTHING, made_folder


def test_what_was_released_is_read(tmp_path: Path) -> None:
    manifest = made_folder(tmp_path / "models", ANYTHING, 12)
    assert read_person_manifest(tmp_path / "models") == manifest
    assert manifest.cohort == ("cohort/0.pt",)
    assert read_person_models(tmp_path / "models", manifest) == ANYTHING


def test_what_is_missing_or_altered_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    with pytest.raises(ModelFolderError, match="guard-train person release"):
        read_person_manifest(folder)
    manifest = made_folder(folder, ANYTHING, 12)
    (folder / GENERAL_FILE).write_bytes(b"genera1")
    with pytest.raises(ModelFolderError, match=r"general\.pt: SHA-256 does not fit"):
        read_person_models(folder, manifest)


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("weights", 13, "altered afterwards"),
        ("learning", {"frames": 400, "epochs": 3}, "altered afterwards"),
        ("files", {"general.pt": {"size_bytes": 1, "sha256": "0" * 64}}, "no cohort"),
        ("files", {"../../etc/passwd": {"size_bytes": 1, "sha256": "0" * 64}}, "pattern"),
        ("format", 2, "format"),
    ],
)
def test_a_manifest_that_does_not_hold_is_refused(tmp_path: Path, field: str, value: object, told: str) -> None:
    made_folder(tmp_path / "models", ANYTHING, 12)
    path = tmp_path / "models" / MANIFEST_FILE
    content = json.loads(path.read_text())
    content[field] = value
    path.write_text(json.dumps(content))
    with pytest.raises(ModelFolderError, match=told):
        read_person_manifest(tmp_path / "models")
