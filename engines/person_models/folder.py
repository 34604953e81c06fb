"""A folder of person models: the general one, a cohort of other people's, and what their answers are worth.

    person_models.json    what is in it, and its hashes
    general.pt            every person's model begins with it
    cohort/k.pt           models of other people, which the claimed person's must outdo

`guard-train person release` writes it.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from engines.hashed_files import verified_content
from engines.manifest import FileEntry, ManifestCalibration, Metric, Sha256
from engines.manifest_file import FolderKind, parse_manifest
from engines.person_models.faces import ENROLMENT_FRAMES, FEWEST_FRAMES

MANIFEST_FILE = "person_models.json"
GENERAL_FILE = "general.pt"
FORMAT_VERSION = 1
PERSON_MODELS_FOLDER = FolderKind(
    "person-model", MANIFEST_FILE, FORMAT_VERSION, "make the folder again with 'guard-train person release'"
)
PERSON_MODEL = "person_model"
"""The witness's name."""

ModelFile = Annotated[str, Field(pattern=r"^(general|cohort/[0-9]{1,4})\.pt$")]


class PersonLearning(BaseModel):
    """How a person's model is learnt: as those that calibration was fitted on, or its ratios mean something else."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    frames: int = Field(ge=FEWEST_FRAMES, le=ENROLMENT_FRAMES)
    epochs: int = Field(ge=1, le=1000)


class PersonModelManifest(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    format: Literal[1]
    version: str = Field(min_length=1)
    licence: str = Field(min_length=1)
    training_data: str = Field(min_length=1)
    limits: str = Field(min_length=1)
    weights: int = Field(gt=0, le=16 << 20)
    """How many numbers a model is."""
    learning: PersonLearning
    calibration: ManifestCalibration
    limit: float = Field(gt=0)
    """Nats within which answers are held: calibration has seen no more, and another kind of face may give any ratio."""
    metrics: tuple[Metric, ...]
    files: dict[ModelFile, FileEntry]
    model_sha256: Sha256
    """Templates carry it: a person's model is worth nothing beside another general one or cohort."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if GENERAL_FILE not in self.files or not self.cohort:
            raise ValueError(f"lists no {GENERAL_FILE}, or no cohort")
        if deciding_sha256(self.weights, self.learning, self.calibration, self.limit, self.files) != self.model_sha256:
            raise ValueError("was altered afterwards (model_sha256 does not fit)")
        return self

    @property
    def cohort(self) -> tuple[str, ...]:
        """Files of other people's models."""
        return tuple(sorted(name for name in self.files if name != GENERAL_FILE))


def deciding_sha256(
    weights: int, learning: PersonLearning, calibration: ManifestCalibration, limit: float, files: dict[str, FileEntry]
) -> str:
    """Hash over everything that decides a score: 64 hexadecimal digits."""
    deciding = {
        "weights": weights,
        "learning": learning.model_dump(),
        "calibration": calibration.model_dump(),
        "limit": limit,
        "files": {name: entry.sha256 for name, entry in files.items()},
    }
    return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()


def read_person_manifest(folder: Path) -> PersonModelManifest:
    """Parse and check the manifest alone. Raises ModelFolderError."""
    return parse_manifest(folder, PERSON_MODELS_FOLDER, PersonModelManifest)


def read_person_models(folder: Path, manifest: PersonModelManifest) -> dict[str, bytes]:
    """The files, as they were when they were released, by name. Raises ModelFolderError."""
    return {
        name: verified_content(folder / name, entry, PERSON_MODELS_FOLDER) for name, entry in manifest.files.items()
    }
