"""NVFAIR v2 as it is released: `<subset>/<originals or generator>/<target>/<clip>.mp4` and two lists of identities.

A clip whose driver and target are in different splits is refused, as in the published protocol.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TypeVar

from training.data.layouts.tree import FoundClips, files_below, read_tree
from training.data.manifest import NO_GENERATOR, ManifestRow
from training.data.splits import split_of_pair
from training.drivers.tracks import Split
from training.errors import DataError

SUBSETS = ("NVIDIA-VC-subset", "RAVDESS", "CREMA-D")
GENERATORS = {
    "originals": NO_GENERATOR,
    "facevid2vid-generated": "facevid2vid",
    "lia-generated": "lia",
    "tps-generated": "tps",
}
LICENCE = "NVFAIR, by request, do not redistribute; terms of each file: per_file_information_NVFAIR_v2.xlsx"
UNKNOWN_SESSION = "unknown"

_SPLIT_WORDS: dict[str, Split] = {"train": "train", "validation": "val", "test": "test"}
_SOURCE_WORDS = {"nvidia-vc": "NVIDIA-VC", "ravdess": "RAVDESS", "crema-d": "CREMA-D"}
_IDENTITY = re.compile(r"id\d{3}|Actor_\d{2}|\d{4}")

Value = TypeVar("Value", bound=str)


def read_nvfair(root: Path) -> FoundClips:
    """A manifest of the release in `root` (NVFAIR-v2-release), or of those subsets of it that are there.

    Raises DataError where the lists are missing or unclear, or no clip is usable.
    """
    splits = read_identities(root / "train_val_test_splits.txt", _SPLIT_WORDS)
    sources = read_identities(root / "subject_sources.txt", _SOURCE_WORDS)
    files = [file for subset in SUBSETS if (root / subset).is_dir() for file in files_below(root / subset)]

    def row_of(path: PurePosixPath) -> ManifestRow:
        if len(path.parts) != 4 or path.parts[1] not in GENERATORS:
            raise DataError(f"does not lie in {'|'.join(SUBSETS)}/{'|'.join(GENERATORS)}/<target>/")
        generator, target = GENERATORS[path.parts[1]], path.parts[2]
        driver, session = (target, path.stem) if generator == NO_GENERATOR else _driven(path.stem, target)
        split = split_of_pair(driver, target, splits)
        if driver not in sources:
            raise DataError(f"{driver} is not in subject_sources.txt")
        return ManifestRow(str(path), driver, target, session, generator, sources[driver], split, LICENCE)

    return read_tree(root, files, row_of)


def read_identities(path: Path, words: Mapping[str, Value]) -> dict[str, Value]:
    """Identities, one a line, under headings that hold one of the words each. Stray apostrophes occur and are dropped.

    Raises DataError for a line that is neither and for an identity under two headings.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path}: {error}") from error
    found: dict[str, Value] = {}
    heading: Value | None = None
    for number, line in enumerate(lines, 1):
        text = line.strip().strip("'").strip()
        if _IDENTITY.fullmatch(text) and heading is not None:
            if found.setdefault(text, heading) != heading:
                raise DataError(f"{path}, line {number}: {text} is both {found[text]} and {heading}")
        elif text:
            headings = [value for word, value in words.items() if word in text.lower()]
            if len(headings) != 1:
                raise DataError(
                    f"{path}, line {number}: {text!r} is no identity and no heading with {', '.join(words)}"
                )
            heading = headings[0]
    if not found:
        raise DataError(f"{path} lists no identities")
    return found


def _driven(stem: str, target: str) -> tuple[str, str]:
    """Driver and session of a re-enactment: `<target>--<driving clip>--<driver>`; the driving clip may be left out.

    The driving clip is all that is known about the session.
    """
    parts = stem.split("--")
    if len(parts) not in (2, 3) or not all(parts):
        raise DataError("its name is not of the form <target>--<driving clip>--<driver>")
    if parts[0] != target:
        raise DataError(f"its name begins with {parts[0]}, yet it lies in the folder of {target}")
    return parts[-1], parts[1] if len(parts) == 3 else UNKNOWN_SESSION
