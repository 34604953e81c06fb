"""Which clip shows whose face, driven by whom: one CSV format for recordings and re-enactments alike.

Columns `path,driver,target,session,generator,source,split,licence`; `track` where clips have a face track; others are
ignored.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from training.drivers.tracks import Split
from training.errors import DataError

NO_GENERATOR = "none"
"""The generator of a camera's recording: its target is its driver."""

_MOST_LISTED = 100


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """One clip."""

    path: str
    """Below the manifest's root, folders separated by /."""
    driver: str
    """Whose motion it is."""
    target: str
    """Whose appearance it is."""
    session: str
    """Clips of one driver with different sessions were recorded at different times."""
    generator: str
    source: str
    """Data set that the driver comes from, so that negatives of one source are a comparison of two rows."""
    split: Split
    licence: str
    track: str = ""
    """Key of the clip's face track; empty: its path without ending."""

    @property
    def is_self(self) -> bool:
        """True where the driver drives the own face."""
        return self.driver == self.target


@dataclass(frozen=True, slots=True)
class Manifest:
    """Checked rows and the folder that their paths start from."""

    rows: tuple[ManifestRow, ...]
    root: Path

    def file(self, row: ManifestRow) -> Path:
        """Where a clip lies."""
        return self.root / row.path


def read_manifest(path: Path, root: Path | None = None) -> Manifest:
    """Read and check a manifest. root: folder of the clips; None = the manifest's own.

    Raises DataError that lists everything that is wrong, by line.
    """
    root = path.parent if root is None else root
    rows: list[ManifestRow] = []
    lines: list[str] = []
    problems: list[str] = []
    for line, record in _records(path):
        try:
            rows.append(_row(record))
            lines.append(f"line {line}")
        except DataError as error:
            problems.append(f"line {line}: {error}")
    problems += row_problems(rows, lines)
    problems += [
        f"{line}: there is no file {row.path}"
        for row, line in zip(rows, lines, strict=True)
        if not (root / row.path).is_file()
    ]
    if not rows and not problems:
        raise DataError(f"{path} lists no clips")
    refuse_problems(problems, f"{path}, whose paths start from {root}")
    return Manifest(tuple(rows), root)


def write_manifest(rows: Sequence[ManifestRow], path: Path) -> None:
    """Write beside the final name and swap, so that what has the name is whole."""
    part = path.with_suffix(".part.csv")
    columns = [field.name for field in fields(ManifestRow)]
    with part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([getattr(row, column) for column in columns] for row in rows)
    part.replace(path)


def row_problems(rows: Sequence[ManifestRow], names: Sequence[str]) -> list[str]:
    """What is wrong with rows as a whole, one text a problem. names: what to call each row in these texts.

    Clips listed twice, recordings that show another face than their driver's, names that differ in nothing but case,
    and people on both sides of a split.
    """
    named = list(zip(rows, names, strict=True))
    return [*_double_clips(named), *_foreign_recordings(named), *_alike_names(named), *_people_in_two_splits(named)]


def refuse_problems(problems: Sequence[str], where: str) -> None:
    """Raise one DataError for all problems, if there are any."""
    if problems:
        listed = [f"  {problem}" for problem in problems[:_MOST_LISTED]]
        more = [f"  and {len(problems) - _MOST_LISTED} more"] if len(problems) > _MOST_LISTED else []
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise DataError("\n".join([f"{count} in {where}:", *listed, *more]))


Named = Sequence[tuple[ManifestRow, str]]


def _double_clips(named: Named) -> Iterator[str]:
    first: dict[str, str] = {}
    for row, name in named:
        if row.path in first:
            yield f"{name}: {row.path} is listed before, at {first[row.path]}"
        first.setdefault(row.path, name)


def _foreign_recordings(named: Named) -> Iterator[str]:
    for row, name in named:
        if row.generator == NO_GENERATOR and not row.is_self:
            yield (
                f"{name}: generator {NO_GENERATOR} says recording, yet driver {row.driver} and target {row.target} "
                "differ; name the generator or mend the names"
            )


def _alike_names(named: Named) -> Iterator[str]:
    spellings: dict[str, dict[str, str]] = defaultdict(dict)
    for row, name in named:
        for person in (row.driver, row.target):
            spellings[person.casefold()].setdefault(person, name)
    for alike in spellings.values():
        if len(alike) > 1:
            told = " and ".join(f"{person} ({name})" for person, name in alike.items())
            yield f"{told} differ in nothing but case: one person or several?"


def _people_in_two_splits(named: Named) -> Iterator[str]:
    """People as drivers or as targets: a face that training has seen is no unseen face."""
    splits: dict[str, dict[Split, str]] = defaultdict(dict)
    for row, name in named:
        splits[row.driver].setdefault(row.split, f"drives at {name}")
        splits[row.target].setdefault(row.split, f"is shown at {name}")
    for person, found in splits.items():
        if len(found) > 1:
            told = " and ".join(f"in {split} ({name})" for split, name in found.items())
            yield f"{person} is {told}; splits must be disjoint in people"


def _records(path: Path) -> Iterator[tuple[int, dict[str | None, object]]]:
    """Line number and cells of each row. Raises DataError for a file that is no table with our columns."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        header = reader.fieldnames or []
        _check_header(header)
        for record in reader:
            yield reader.line_num, record
    except (OSError, UnicodeDecodeError, csv.Error, DataError) as error:
        raise DataError(f"cannot read the manifest {path}: {error}") from error


def _check_header(header: Iterable[str]) -> None:
    names = list(header)
    required = [field.name for field in fields(ManifestRow) if field.name != "track"]
    missing = [name for name in required if name not in names]
    if missing:
        raise DataError(f"its header lacks {', '.join(missing)}; a manifest has the columns {','.join(required)}")
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise DataError(f"its header has {', '.join(double)} more than once")


def _plain(text: str) -> str:
    if text != text.strip() or not text.isprintable():
        raise ValueError("begins or ends with a blank, or holds an unprintable character")
    return text


def _inside(path: str) -> str:
    pure = PurePosixPath(path)
    if pure.is_absolute() or PureWindowsPath(path).anchor:
        raise ValueError("is absolute; give it relative to the root")
    if ".." in pure.parts:
        raise ValueError("reaches out of the root")
    if "\\" in path:
        raise ValueError("has a backslash; separate folders by /")
    return str(pure)


_Name = Annotated[str, Field(min_length=1), AfterValidator(_plain)]


class _RowText(BaseModel):
    """A row as a file gives it."""

    model_config = ConfigDict(extra="ignore", strict=True)

    path: Annotated[_Name, AfterValidator(_inside)]
    driver: _Name
    target: _Name
    session: _Name
    generator: _Name
    source: _Name
    split: Split
    licence: _Name
    track: Annotated[str, AfterValidator(_plain)] = ""


def _row(record: dict[str | None, object]) -> ManifestRow:
    """Raises DataError that tells every bad cell."""
    if None in record:
        raise DataError("has more cells than the header has columns; put quotes around text with commas")
    try:
        return ManifestRow(**_RowText.model_validate(record).model_dump())
    except ValidationError as error:
        told = [_bad_cell(str(detail["loc"][0]), detail["input"], detail["msg"]) for detail in error.errors()]
        raise DataError("; ".join(told)) from error


def _bad_cell(column: str, value: object, message: str) -> str:
    if value is None or value == "":
        return f"{column} is missing"
    if column == "split":
        return f"split {value!r} is none of {', '.join(get_args(Split))}"
    return f"{column} {value!r} {message.removeprefix('Value error, ')}"
