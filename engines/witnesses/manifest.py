"""`witness.json`: what a witness folder says about itself."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from engines.expressions.series import Reads
from engines.manifest import FileEntry, ManifestCalibration, Metric, Sha256

FORMAT_VERSION = 1
MANIFEST_FILE = "witness.json"

WitnessName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
"""Names a folder, a column and a part of a route."""

FileName = Annotated[str, Field(pattern=r"^(pictures/)?[A-Za-z0-9][A-Za-z0-9_.-]*$")]
"""A plain name, or one in the folder of pictures: a manifest must not reach outside its folder."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ManifestSpec(_Part):
    """The part of `engines.witnesses.protocol.WitnessSpec` that decides a score and is plain."""

    reads: Reads
    rate_hz: float = Field(ge=1, le=60)
    window_frames: int = Field(ge=2, le=1024)
    embedding_size: int = Field(ge=2, le=65536)


class WitnessManifest(_Part):
    """The whole file. `files` are what computes, `documents` what explains; both are hashed."""

    format: Literal[1]
    name: WitnessName
    version: str = Field(min_length=1)
    licence: str = Field(min_length=1)
    training_data: str = Field(min_length=1)
    limits: str = Field(min_length=1)
    """A sentence or two for whoever relies on it."""
    spec: ManifestSpec
    calibration: ManifestCalibration
    metrics: tuple[Metric, ...]
    files: dict[FileName, FileEntry]
    documents: dict[FileName, FileEntry]
    model_sha256: Sha256

    def computed_model_sha256(self) -> str:
        """Hash over everything that decides a score; documents and metrics are left out, as for engines."""
        return witness_sha256(self.spec, self.calibration, self.files)


def witness_sha256(spec: ManifestSpec, calibration: ManifestCalibration, files: dict[str, FileEntry]) -> str:
    """The witness's name in templates: 64 hexadecimal digits."""
    deciding = {
        "spec": spec.model_dump(),
        "calibration": calibration.model_dump(),
        "files": {name: entry.sha256 for name, entry in files.items()},
    }
    return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()
