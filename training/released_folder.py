"""Writes a folder that is distributed, with its manifest, in place of an older one of its kind: whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import BaseModel

from engines.manifest_file import FolderKind
from training.errors import ExportError


def check_replaceable(folder: Path, kind: FolderKind) -> None:
    """Raises ExportError for a folder that holds something else."""
    if folder.exists() and any(folder.iterdir()) and not (folder / kind.manifest).exists():
        raise ExportError(f"{folder}: holds something else than a {kind.name}; name another folder")


def write_folder(
    folder: Path, kind: FolderKind, manifest: BaseModel, files: Mapping[str, bytes], check: Callable[[Path], object]
) -> None:
    """Write beside the final name, check what was written, and swap; what `check` raises leaves the older one there."""
    fresh = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for name, content in files.items():
        (fresh / name).parent.mkdir(exist_ok=True)
        (fresh / name).write_bytes(content)
    (fresh / kind.manifest).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    check(fresh)
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
