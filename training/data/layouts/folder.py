"""Own recordings: `<person>/<clip>`, or `<person>/<session>/<clip>` for people who were recorded more than once."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from training.data.layouts.tree import FoundClips, files_below, read_tree
from training.data.manifest import NO_GENERATOR, ManifestRow
from training.data.splits import split_people
from training.errors import DataError


def read_folder(root: Path) -> FoundClips:
    """A manifest of the recordings in a folder; the names of its people split them.

    A clip without session folder is a session of its own. Raises DataError without usable clips or with fewer than
    three people.
    """
    files = files_below(root)
    splits = split_people({file.relative_to(root).parts[0] for file in files if file.parent != root})

    def row_of(path: PurePosixPath) -> ManifestRow:
        if len(path.parts) not in (2, 3):
            raise DataError("lies neither in <person>/ nor in <person>/<session>/")
        person = path.parts[0]
        session = path.parts[1] if len(path.parts) == 3 else path.stem
        source = root.resolve().name
        return ManifestRow(str(path), person, person, session, NO_GENERATOR, source, splits[person], "not stated")

    return read_tree(root, files, row_of)
