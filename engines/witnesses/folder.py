"""Reads a witness folder and trusts nothing in it: every size, hash and shape is checked before use.

Layout: `engines/witnesses/models/README.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engines.errors import ModelFolderError
from engines.hashed_files import cohort_rows, verified_content
from engines.manifest_file import FolderKind, parse_manifest
from engines.protocol import Calibration
from engines.witnesses.explanation import (
    EXPLANATION_FILE,
    PICTURE_BYTES,
    PICTURES_FOLDER,
    Explanation,
    parse_explanation,
)
from engines.witnesses.manifest import FORMAT_VERSION, MANIFEST_FILE, WitnessManifest
from engines.witnesses.protocol import WitnessSpec

MODELS_FOLDER = Path(__file__).parent / "models"
GRAPH_FILE = "embed.onnx"
COHORT_FILE = "cohort.npy"
WITNESS_FOLDER = FolderKind("witness", MANIFEST_FILE, FORMAT_VERSION, "write the witness again")
COMPUTING_FILES = (GRAPH_FILE, COHORT_FILE)


@dataclass(frozen=True, slots=True)
class WitnessFolder:
    """A verified witness, with the bytes of its files as they were when they were hashed."""

    spec: WitnessSpec
    manifest: WitnessManifest
    graph: bytes
    explanation: Explanation | None
    pictures: dict[str, bytes]
    """PNG files by their name in the folder ("pictures/k.png")."""


def available_witnesses() -> tuple[str, ...]:
    """Names of the shipped witnesses, sorted."""
    return tuple(sorted(entry.parent.name for entry in MODELS_FOLDER.glob(f"*/{MANIFEST_FILE}")))


def find_witness(name_or_path: str) -> Path:
    """The folder of a shipped witness's name, or the path itself. Raises ModelFolderError where neither exists."""
    if name_or_path in available_witnesses():
        return MODELS_FOLDER / name_or_path
    path = Path(name_or_path).expanduser()
    if path.is_dir():
        return path
    shipped = ", ".join(available_witnesses()) or "none"
    raise ModelFolderError(f"no witness {name_or_path!r}: neither a folder nor a shipped witness (shipped: {shipped})")


def read_witness_folder(folder: Path) -> WitnessFolder:
    """Load and verify. Raises ModelFolderError where anything is missing, altered, truncated or of another format."""
    manifest = read_witness_manifest(folder)
    contents = {
        name: verified_content(folder / name, entry, WITNESS_FOLDER)
        for name, entry in (manifest.files | manifest.documents).items()
    }
    cohort = cohort_rows(contents[COHORT_FILE], manifest.spec.embedding_size, folder / COHORT_FILE)
    spec = WitnessSpec(
        name=manifest.name,
        version=manifest.version,
        model_sha256=manifest.model_sha256,
        calibration=Calibration(manifest.calibration.slope, manifest.calibration.offset, cohort),
        **manifest.spec.model_dump(),
    )
    return WitnessFolder(
        spec,
        manifest,
        contents[GRAPH_FILE],
        _explanation(manifest, contents, folder),
        _pictures(contents, folder),
    )


def read_witness_manifest(folder: Path) -> WitnessManifest:
    """Parse and check `witness.json` alone. Raises ModelFolderError."""
    manifest = parse_manifest(folder, WITNESS_FOLDER, WitnessManifest)
    missing = [name for name in COMPUTING_FILES if name not in manifest.files]
    if missing:
        raise WITNESS_FOLDER.refusal(folder, f"lists no {', '.join(missing)}")
    if manifest.computed_model_sha256() != manifest.model_sha256:
        raise WITNESS_FOLDER.refusal(folder, "was altered afterwards (model_sha256 does not fit)")
    return manifest


def _explanation(manifest: WitnessManifest, contents: Mapping[str, bytes], folder: Path) -> Explanation | None:
    content = contents.get(EXPLANATION_FILE)
    if content is None:
        return None
    return parse_explanation(
        content, manifest.spec.embedding_size, manifest.documents.keys(), folder / EXPLANATION_FILE
    )


def _pictures(contents: Mapping[str, bytes], folder: Path) -> dict[str, bytes]:
    pictures = {name: content for name, content in contents.items() if name.startswith(f"{PICTURES_FOLDER}/")}
    for name, content in pictures.items():
        if not content.startswith(b"\x89PNG\r\n\x1a\n"):
            raise ModelFolderError(f"{folder / name}: is no PNG picture; write the witness again")
        if len(content) > PICTURE_BYTES:
            raise ModelFolderError(f"{folder / name}: {len(content)} bytes, more than {PICTURE_BYTES}; draw it smaller")
    return pictures
