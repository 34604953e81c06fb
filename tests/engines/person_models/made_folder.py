"""A manifest of person models whose files hold anything."""

from __future__ import annotations

from pathlib import Path

from engines.hashed_files import file_entry
from engines.manifest import ManifestCalibration
from engines.person_models.folder import (
    GENERAL_FILE,
    MANIFEST_FILE,
    PersonLearning,
    PersonModelManifest,
    deciding_sha256,
)

LIMIT = 0.75
LEARNING = PersonLearning(frames=400, epochs=2)
CALIBRATION = ManifestCalibration(slope=2.0, offset=-0.5)


def made_manifest(contents: dict[str, bytes], weights: int) -> PersonModelManifest:
    files = {name: file_entry(content) for name, content in contents.items()}
    return PersonModelManifest(
        format=1,
        version="7",
        licence="own",
        training_data="made up",
        limits="says nothing",
        weights=weights,
        learning=LEARNING,
        calibration=CALIBRATION,
        limit=LIMIT,
        metrics=(),
        files=files,
        model_sha256=deciding_sha256(weights, LEARNING, CALIBRATION, LIMIT, files),
    )


def made_folder(folder: Path, contents: dict[str, bytes], weights: int) -> PersonModelManifest:
    """Written, with a general model and a cohort out of `contents`."""
    manifest = made_manifest(contents, weights)
    (folder / "cohort").mkdir(parents=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    (folder / MANIFEST_FILE).write_text(manifest.model_dump_json())
    return manifest


ANYTHING = {GENERAL_FILE: b"general", "cohort/0.pt": b"somebody"}
