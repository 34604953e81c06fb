"""The manifest of a folder that is distributed: read, checked, and refused with a line that says what to do."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from engines.errors import ModelFolderError

Content = TypeVar("Content", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class FolderKind:
    """name: of what such a folder holds, for people. manifest: its file. format: that is read. advice: how one comes to
    another folder."""

    name: str
    manifest: str
    format: int
    advice: str

    def refusal(self, folder: Path, why: str) -> ModelFolderError:
        """To raise where a manifest does not hold."""
        return ModelFolderError(f"{folder / self.manifest}: {why}; {self.advice}")


def parse_manifest(folder: Path, kind: FolderKind, content: type[Content]) -> Content:
    """The manifest of a folder, as it is written there. Raises ModelFolderError."""
    if not folder.is_dir():
        raise ModelFolderError(f"{folder}: no such {kind.name} folder; {kind.advice}")
    try:
        found = json.loads((folder / kind.manifest).read_bytes())
    except FileNotFoundError:
        why = f"no {kind.name} folder, it has no {kind.manifest}; {kind.advice}"
        raise ModelFolderError(f"{folder}: {why}") from None
    except (OSError, ValueError) as error:
        raise ModelFolderError(
            f"{folder / kind.manifest}: cannot be read ({error}); copy the {kind.name} folder again"
        ) from None
    version = found.get("format") if isinstance(found, dict) else None
    if version != kind.format:
        raise kind.refusal(folder, f"{kind.name} format {version!r}, this version reads {kind.format}")
    try:
        return content.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise kind.refusal(folder, f"{where}: {first['msg']}") from None
