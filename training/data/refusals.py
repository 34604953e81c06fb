"""Files that are left out, and why: nothing disappears unlisted."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Refusal:
    """One file. path: as a manifest gives it."""

    path: str
    why: str


def write_refusals(refusals: Sequence[Refusal], path: Path) -> None:
    """A table `path,why`; without rows where nothing was refused."""
    part = path.with_suffix(".part.csv")
    with part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["path", "why"])
        writer.writerows((refusal.path, refusal.why) for refusal in refusals)
    part.replace(path)
