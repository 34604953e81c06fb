"""AVAPrintDB as it is released: `database/data/videos/{DEV,TEST}/[<GEN>/]<target>--<driver>--<uuid>--<GEN>.mp4`.

Identities of CREMA-D lose their C (C1005 is 1005), so that people whom NVFAIR shows too have one name in both.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path, PurePosixPath

from training.data.layouts.tree import FoundClips, files_below, read_tree
from training.data.manifest import ManifestRow
from training.data.splits import split_of_pair
from training.drivers.tracks import Split
from training.errors import DataError

VIDEOS = "database/data/videos"
GENERATORS = {"GAGA": "gagavatar", "LIVE": "liveportrait", "HUNY": "hunyuanportrait"}
LICENCE = "AVAPrintDB, CC BY; the terms of its source, RAVDESS or CREMA-D, apply too"

_CREMA_D_VALIDATION = (1001, 1010, 1011, 1016, 1021, 1024, 1030, 1032, 1037, 1040, 1050, 1053, 1055, 1057, 1063, 1069,
                       1075, 1086)  # fmt: skip
VALIDATION = frozenset({"Actor_03", "Actor_13", "Actor_23", *map(str, _CREMA_D_VALIDATION)})
"""People of DEV whom the released graph system validates on."""

_IDENTITY = re.compile(r"C(\d{4})|(Actor_\d{2})")


def read_avaprintdb(root: Path) -> FoundClips:
    """A manifest of the release in `root` (AVAPrintDB). DEV trains and validates, TEST tests.

    A clip whose driver validates and whose target trains, or the other way round, is refused, and so are clips of one
    name in two places. Raises DataError where no clip is usable or a person is in DEV and in TEST.
    """
    files = files_below(root / VIDEOS)
    stems = Counter(file.stem for file in files)

    def row_of(path: PurePosixPath) -> ManifestRow:
        if stems[path.stem] > 1:
            raise DataError("there is more than one clip of this name")
        parts = path.stem.split("--")
        if len(parts) != 4 or not all(parts):
            raise DataError("its name is not of the form <target>--<driver>--<uuid>--<generator>")
        target_id, driver_id, uuid, generator = parts
        _check_folders(path, generator)
        driver, target = _person(driver_id), _person(target_id)
        splits = {person: _split(path.relative_to(VIDEOS).parts[0], person) for person in (driver, target)}
        source = "RAVDESS" if driver.startswith("Actor_") else "CREMA-D"
        split = split_of_pair(driver, target, splits)
        return ManifestRow(str(path), driver, target, uuid, GENERATORS[generator], source, split, LICENCE)

    return read_tree(root, files, row_of)


def _check_folders(path: PurePosixPath, generator: str) -> None:
    """Raises DataError where the folders do not say what the name says."""
    folders = path.relative_to(VIDEOS).parts[:-1]
    if generator not in GENERATORS:
        raise DataError(f"{generator} is none of the generators {', '.join(GENERATORS)}")
    if not folders or folders[0] not in ("DEV", "TEST"):
        raise DataError("lies neither in DEV nor in TEST")
    if folders[1:] not in ((), (generator,)):
        raise DataError(f"its name ends in {generator}, yet it lies in {'/'.join(folders)}")


def _person(identity: str) -> str:
    match = _IDENTITY.fullmatch(identity)
    if match is None:
        raise DataError(f"{identity} is no identity such as C1005 or Actor_01")
    return match[1] or match[2]


def _split(part: str, person: str) -> Split:
    if part == "TEST":
        return "test"
    return "val" if person in VALIDATION else "train"
