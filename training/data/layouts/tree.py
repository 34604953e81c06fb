"""What the layouts share: every file of a tree becomes a row or is refused with a reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from training.data.manifest import Manifest, ManifestRow, refuse_problems, row_problems
from training.data.refusals import Refusal
from training.errors import DataError

VIDEO_SUFFIXES = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"})


@dataclass(frozen=True, slots=True)
class FoundClips:
    """A manifest and the files that did not get into it."""

    manifest: Manifest
    refused: tuple[Refusal, ...] = ()


def read_tree(root: Path, files: Iterable[Path], row_of: Callable[[PurePosixPath], ManifestRow]) -> FoundClips:
    """Rows of files, in order of their paths. row_of: gets paths below the root; raises DataError for one it refuses.

    Raises DataError where no file is usable or the rows do not fit together.
    """
    rows: list[ManifestRow] = []
    refused: list[Refusal] = []
    for path in sorted(PurePosixPath(file.relative_to(root).as_posix()) for file in files):
        try:
            if path.suffix.lower() not in VIDEO_SUFFIXES:
                raise DataError("is no video")
            rows.append(row_of(path))
        except DataError as error:
            refused.append(Refusal(str(path), str(error)))
    if not rows:
        reasons = "".join(f"\n  {refusal.path}: {refusal.why}" for refusal in refused[:10])
        raise DataError(f"no usable clip among {len(refused)} files in {root}{reasons}")
    refuse_problems(row_problems(rows, [row.path for row in rows]), str(root))
    return FoundClips(Manifest(tuple(rows), root), tuple(refused))


def files_below(folder: Path) -> list[Path]:
    """All files but hidden ones. Raises DataError where there is no such folder."""
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}")
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
