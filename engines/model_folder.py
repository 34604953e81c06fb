"""Reads an engine folder and trusts nothing in it: every size, hash and shape is checked before use.

Layout: `engines/models/README.md`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from engines.errors import ModelFolderError
from engines.hashed_files import cohort_rows, verified_content
from engines.manifest import FORMAT_VERSION, MANIFEST_FILE, FileEntry, Manifest
from engines.protocol import Calibration, EngineSpec

BACKBONE_FILE = "backbone.onnx"
HEAD_FILE = "head.onnx"
CPU_BACKBONE_FILE, INT8_HEAD_FILE = "backbone_cpu.onnx", "head_int8.onnx"
"""Both once more, for CPUs, the head in 8-bit integers; not every engine has them."""
EMBEDDING_FILE = "embedding.onnx"
COHORT_FILE = "cohort.npy"

_COMPUTING_FILES = (BACKBONE_FILE, HEAD_FILE, EMBEDDING_FILE, COHORT_FILE)


@dataclass(frozen=True, slots=True)
class CpuGraphs:
    """What a CPU runs in place of the graphs that every backend has."""

    backbone: bytes
    int8_head: bytes


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A verified engine: its spec, its manifest and the bytes of its graphs, as they were when they were hashed."""

    spec: EngineSpec
    manifest: Manifest
    backbone: bytes
    head: bytes
    embedding: bytes
    for_cpu: CpuGraphs | None = None


def read_model_folder(folder: Path) -> ModelFolder:
    """Load and verify. Raises ModelFolderError where anything is missing, altered, truncated or of another format."""
    manifest = read_manifest(folder)
    contents = {name: _verified(folder / name, entry) for name, entry in manifest.files.items()}
    for name, entry in manifest.documents.items():
        _verified(folder / name, entry)
    spec = EngineSpec(
        name=manifest.name,
        version=manifest.version,
        model_sha256=manifest.model_sha256,
        calibration=Calibration(
            slope=manifest.calibration.slope,
            offset=manifest.calibration.offset,
            cohort=cohort_rows(contents[COHORT_FILE], manifest.spec.embedding_size, folder / COHORT_FILE),
        ),
        **manifest.spec.model_dump(),
    )
    return ModelFolder(
        spec,
        manifest,
        contents[BACKBONE_FILE],
        contents[HEAD_FILE],
        contents[EMBEDDING_FILE],
        _cpu_graphs(contents),
    )


def read_manifest(folder: Path) -> Manifest:
    """Parse and check `engine.json` alone. Raises ModelFolderError."""
    path = folder / MANIFEST_FILE
    if not folder.is_dir():
        raise ModelFolderError(f"{folder}: no such engine folder")
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ModelFolderError(f"{folder}: not an engine folder, it has no {MANIFEST_FILE}") from None
    except (OSError, ValueError) as error:
        raise ModelFolderError(f"{path}: cannot be read ({error}); copy the engine folder again") from None
    found = content.get("format") if isinstance(content, dict) else None
    if found != FORMAT_VERSION:
        raise ModelFolderError(
            f"{path}: engine format {found!r}, this version reads {FORMAT_VERSION}; "
            "use an engine exported by the same version"
        )
    try:
        manifest = Manifest.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ModelFolderError(f"{path}: {where}: {first['msg']}; export the engine again") from None
    _check_consistency(manifest, path)
    return manifest


def _check_consistency(manifest: Manifest, path: Path) -> None:
    missing = [name for name in _COMPUTING_FILES if name not in manifest.files]
    if missing:
        raise ModelFolderError(f"{path}: lists no {', '.join(missing)}; export the engine again")
    if manifest.spec.temporal_margin >= manifest.spec.window_frames:
        raise ModelFolderError(f"{path}: the window of {manifest.spec.window_frames} frames holds no position")
    if manifest.spec.fps_min >= manifest.spec.fps_max:
        raise ModelFolderError(f"{path}: fps_min {manifest.spec.fps_min} is not below fps_max {manifest.spec.fps_max}")
    if manifest.computed_model_sha256() != manifest.model_sha256:
        raise ModelFolderError(f"{path}: was altered after export (model_sha256 does not fit); export the engine again")


def _verified(path: Path, entry: FileEntry) -> bytes:
    return verified_content(path, entry, manifest=MANIFEST_FILE, folder="engine folder")


def _cpu_graphs(contents: Mapping[str, bytes]) -> CpuGraphs | None:
    backbone, int8_head = contents.get(CPU_BACKBONE_FILE), contents.get(INT8_HEAD_FILE)
    return None if backbone is None or int8_head is None else CpuGraphs(backbone, int8_head)
