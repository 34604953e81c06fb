"""One part of the evidence: what was measured, or why it was not."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

State = Literal["measured", "unavailable", "failed"]


class UnavailableError(Exception):
    """This machine lacks what a section needs; the message says what, in one clause."""


@dataclass(frozen=True, slots=True)
class Section:
    """reason: why there are no values. seconds: wall time, the start of the process included."""

    name: str
    state: State
    seconds: float
    values: dict[str, Any] = field(default_factory=dict)
    reason: str | None = None

    def write(self, path: Path) -> None:
        """As JSON, whole or not at all."""
        part = path.with_suffix(".part")
        part.write_text(json.dumps(asdict(self), indent=1) + "\n")
        part.replace(path)


def read_section(path: Path) -> Section:
    """What `Section.write` wrote."""
    return Section(**json.loads(path.read_text()))
