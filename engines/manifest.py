"""`engine.json`: what an engine folder says about itself."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

FORMAT_VERSION = 2
MANIFEST_FILE = "engine.json"

FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
"""A plain name: a manifest must not reach outside its folder."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class FileEntry(_Part):
    """Size and hash of one file of the folder."""

    size_bytes: int = Field(ge=0)
    sha256: Sha256


class ManifestSpec(_Part):
    """The part of `engines.protocol.EngineSpec` that is plain numbers."""

    window_frames: int = Field(ge=2, le=4096)
    temporal_margin: int = Field(ge=1)
    embedding_size: int = Field(ge=1, le=4096)
    fps_min: float = Field(gt=0)
    fps_max: float = Field(gt=0)
    pixel_mean: float
    pixel_std: float = Field(gt=0)


class ManifestCalibration(_Part):
    """`llr = slope * score + offset`, natural logarithm; the cohort lies in its own file."""

    slope: float = Field(gt=0)
    offset: float


class Metric(_Part):
    """One measured figure with its 95 % confidence interval."""

    name: str
    value: float
    low: float
    high: float
    drivers: int = Field(ge=0)
    """Drivers that the interval was resampled over."""
    trials: int = Field(ge=0)
    """Comparisons behind the figure."""
    about: str = ""


class Manifest(_Part):
    """The whole file. `files` are what computes, `documents` what explains; both are hashed."""

    format: Literal[2]
    name: str = Field(min_length=1)
    version: str = Field(min_length=1)
    licence: str = Field(min_length=1)
    training_data: str = Field(min_length=1)
    spec: ManifestSpec
    calibration: ManifestCalibration
    metrics: tuple[Metric, ...]
    files: dict[FileName, FileEntry]
    documents: dict[FileName, FileEntry]
    model_sha256: Sha256

    def computed_model_sha256(self) -> str:
        """Hash over everything that decides a score: spec, calibration and the hashes of `files`.

        Documents and metrics are left out: mending a model card must not invalidate every stored template.
        """
        return model_sha256(self.spec, self.calibration, self.files)


def model_sha256(spec: ManifestSpec, calibration: ManifestCalibration, files: dict[str, FileEntry]) -> str:
    """The model's name in events and templates: 64 hexadecimal digits."""
    deciding = {
        "spec": spec.model_dump(),
        "calibration": calibration.model_dump(),
        "files": {name: entry.sha256 for name, entry in files.items()},
    }
    return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()
