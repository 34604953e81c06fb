"""The rows of an engine's report: what is compared with what, over how many seconds."""

from __future__ import annotations

from dataclasses import dataclass, replace

from engines.protocol import Calibration
from training import card_texts
from training.evaluate import (
    Accuracy,
    DriverEmbeddings,
    OperatingPoints,
    accuracy,
    against_cohort,
    cosine,
    operating_points,
    pooled_trials,
    template_trials,
    window_trials,
)
from training.evaluation.recordings import FEWEST_DRIVERS, pooled_seconds, probe_seconds, template_seconds
from training.metrics import Trials


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the report."""

    name: str
    about: str
    accuracy: Accuracy
    operating: OperatingPoints


def _row(name: str, about: str, trials: Trials) -> Row:
    return Row(name, about, accuracy(trials), operating_points(trials))


@dataclass(frozen=True, slots=True)
class Kind:
    """What the engine made of one kind of drivers, in windows of so many frames."""

    frames: int
    frame_seconds: float
    rows: list[DriverEmbeddings]

    @property
    def window_seconds(self) -> float:
        return self.frames * self.frame_seconds

    @property
    def template_about(self) -> str:
        return (
            f"one window of {self.window_seconds:.2f} s against a template of "
            f"{template_seconds(self.rows, self.window_seconds)}"
        )


def rows_of(name: str, kind: Kind, found: dict[str, list[DriverEmbeddings]], calibration: Calibration) -> list[Row]:
    """One kind of drivers: windows, all of a side pooled, the guard's comparison, and the controls that were found."""
    window = f"{name}, {kind.frames} frames"
    rows = [
        _row(
            window,
            f"one window against one window of {kind.window_seconds:.2f} s, cosine",
            window_trials(kind.rows, cosine),
        ),
        *_pooled_rows(name, kind, calibration),
    ]
    for control in ("shuffled", "static"):
        if control in found:
            about = "frames in random order" if control == "shuffled" else "STATIC: one frame, no motion"
            rows.append(_row(f"{window}, {control}", about, window_trials(found[control], cosine)))
            rows.append(_row(f"{name}, pooled, {control}", about, pooled_trials(found[control], cosine)))
    return rows


def _pooled_rows(name: str, kind: Kind, calibration: Calibration) -> list[Row]:
    seconds = pooled_seconds(kind.rows, kind.window_seconds)
    live = template_trials(kind.rows, against_cohort(calibration.cohort))
    return [
        _row(f"{name}, pooled", f"{seconds}, cosine", pooled_trials(kind.rows, cosine)),
        _row(f"{name}, template", f"{kind.template_about}, the guard's comparison score", live),
    ]


def recording_rows(kind: Kind, split: dict[str, list[DriverEmbeddings]], calibration: Calibration) -> list[Row]:
    """Of real people whose two sides come from one kind of recordings (`by_recordings`); none of too few."""
    return [
        row
        for name, rows in split.items()
        if _drivers(rows) >= FEWEST_DRIVERS
        for row in _pooled_rows(f"real, {name}", replace(kind, rows=rows), calibration)
    ]


def recordings_text(kind: Kind, split: dict[str, list[DriverEmbeddings]]) -> str:
    """How long real people are heard, and how many of them in which recordings."""
    counts = {name: _drivers(rows) for name, rows in split.items()}
    told = "; ".join(
        f"*{name}*: {count} people" + ("" if count >= FEWEST_DRIVERS else ", too few for rows of their own")
        for name, count in counts.items()
    )
    seconds = probe_seconds(kind.rows, kind.window_seconds)
    return f"Real people are heard for {seconds}. {told}. {card_texts.RECORDINGS}"


def _drivers(rows: list[DriverEmbeddings]) -> int:
    return len({row.driver for row in rows})
