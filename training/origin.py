"""Where a network's weights come from: every run on the way, as its checkpoint keeps it and a model card tells it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

MOTION = "how fast each landmark moves"
DRIVERS = "to tell drivers apart"
EMBEDDING = "in its embedding alone, to tell drivers apart"

_TOLD = ("windows", "frames", "seed")


@dataclass(frozen=True, slots=True)
class Stage:
    """One run on the way; as it is, one of an older version, whose checkpoint did not keep where it came from.

    learnt: completes "the network learnt ...". options: of the command, by name. material: what the batches were drawn
    from, in numbers. steps, seconds: what it took. engine: the one that an unfolded run was made of, which has a card
    of its own. All values are plain.
    """

    learnt: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    material: dict[str, Any] = field(default_factory=dict)
    steps: int = 0
    seconds: float = 0.0
    engine: str = ""

    def text(self) -> str:
        if self.engine:
            return f"The network of engine {self.engine}, whose card tells how it learnt."
        took = f"{self.steps} steps in {duration(self.seconds)}" if self.steps else "Without a step"
        if not self.learnt:
            return f"{took}; what it learnt, and from what, was not recorded."
        told = ", ".join(f"{name} {_listed(self.options[name])}" for name in _TOLD if name in self.options)
        drawn = f" ({told})" if told else ""
        return f"{took}: the network learnt {self.learnt}, on {_material(self.material)}{drawn}."


def origin_text(stages: Sequence[Stage]) -> str:
    """Every run in turn, as a Markdown list."""
    return "\n".join(f"{number}. {stage.text()}" for number, stage in enumerate(stages, 1))


def effort(stages: Sequence[Stage]) -> str:
    """What all runs took that are known of, beside whose work they went on with."""
    took = f"{sum(stage.steps for stage in stages)} steps in {duration(sum(stage.seconds for stage in stages))}"
    engines = "".join(f", beside those of engine {stage.engine}" for stage in stages if stage.engine)
    known = all(stage.learnt or stage.engine for stage in stages)
    return took + engines if known else f"{took}{engines} (runs before these were not recorded)"


def duration(seconds: float) -> str:
    return f"{seconds / 60:.1f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


def _material(found: dict[str, Any]) -> str:
    stored = f"{found['batches']} rendered batches of " if "batches" in found else ""
    if "people" not in found:
        return f"{stored}drivers and faces that were not recorded"
    people = f"{found['people']} people, each also retimed and mirrored, and " if found["people"] else ""
    return (
        f"{stored}{people}{found['procedural']} procedural drivers, crossed with {found['portraits']} photographed "
        f"and {found['puppets']} painted faces, rendered by {_listed(found['generators'])}"
    )


def _listed(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
