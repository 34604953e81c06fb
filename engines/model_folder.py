"""Reads an engine folder and trusts nothing in it: every size, hash and shape is checked before use.

Layout: `engines/models/README.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engines.hashed_files import cohort_rows, verified_content
from engines.manifest import FORMAT_VERSION, MANIFEST_FILE, Manifest
from engines.manifest_file import FolderKind, parse_manifest
from engines.protocol import Calibration, EngineSpec

BACKBONE_FILE = "backbone.onnx"
HEAD_FILE = "head.onnx"
CPU_BACKBONE_FILE, INT8_HEAD_FILE = "backbone_cpu.onnx", "head_int8.onnx"
"""Both once more, for CPUs, the head in 8-bit integers; not every engine has them."""
EMBEDDING_FILE = "embedding.onnx"
COHORT_FILE = "cohort.npy"

ENGINE_FOLDER = FolderKind("engine", MANIFEST_FILE, FORMAT_VERSION, "export the engine again")
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
    contents = {
        name: verified_content(folder / name, entry, ENGINE_FOLDER)
        for name, entry in (manifest.files | manifest.documents).items()
    }
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
    manifest = parse_manifest(folder, ENGINE_FOLDER, Manifest)
    _check_consistency(manifest, folder)
    return manifest


def _check_consistency(manifest: Manifest, folder: Path) -> None:
    spec = manifest.spec
    missing = [name for name in _COMPUTING_FILES if name not in manifest.files]
    if missing:
        raise ENGINE_FOLDER.refusal(folder, f"lists no {', '.join(missing)}")
    if spec.temporal_margin >= spec.window_frames:
        raise ENGINE_FOLDER.refusal(folder, f"the window of {spec.window_frames} frames holds no position")
    if spec.fps_min >= spec.fps_max:
        raise ENGINE_FOLDER.refusal(folder, f"fps_min {spec.fps_min} is not below fps_max {spec.fps_max}")
    if manifest.computed_model_sha256() != manifest.model_sha256:
        raise ENGINE_FOLDER.refusal(folder, "was altered after export (model_sha256 does not fit)")


def _cpu_graphs(contents: Mapping[str, bytes]) -> CpuGraphs | None:
    backbone, int8_head = contents.get(CPU_BACKBONE_FILE), contents.get(INT8_HEAD_FILE)
    return None if backbone is None or int8_head is None else CpuGraphs(backbone, int8_head)
