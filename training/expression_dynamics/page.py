"""The results page of a study: a table, two pictures in one, and the same numbers as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from training.expression_dynamics.drift_to_noise import Correlation
from training.expression_dynamics.measures import closed_gain, open_gain
from training.expression_dynamics.study import RowResult
from training.metrics import Estimate

mpl.use("Agg")
from matplotlib import pyplot as plt  # the backend has to be chosen first

NAME = "expression_dynamics"


@dataclass(frozen=True, slots=True)
class Drift:
    """Drift-to-noise ratios (P,) of people, as `kind` takes them, and how each row's accuracy goes with them."""

    kind: str
    ratio: NDArray[np.float64]
    correlations: Mapping[str, Correlation]


@dataclass(frozen=True, slots=True)
class Page:
    """What a study found. reference: name of the row that the others are measured against."""

    rows: Sequence[RowResult]
    drifts: Sequence[Drift]
    reference: str
    heading: str


def write_page(page: Page, out: Path) -> None:
    """OUT/expression_dynamics.md, .json and .png."""
    (out / f"{NAME}.md").write_text(page_text(page), encoding="utf-8")
    (out / f"{NAME}.json").write_text(json.dumps(_as_json(page), indent=2) + "\n", encoding="utf-8")
    _draw(page, out / f"{NAME}.png")


def page_text(page: Page) -> str:
    """The page in Markdown."""
    first = page.rows[0].closed
    parts = [
        "# Identity from expression dynamics",
        page.heading,
        f"Closed set: {first.people} people, the last recording of each ({first.windows} windows); chance "
        f"{first.chance:.3f}. Brackets are 95 % over people drawn again; rows with several seeds are means over these.",
        rows_table(page.rows),
        f"![Rows side by side]({NAME}.png)",
        f"## Against {page.reference}",
        "Less what the reference reaches; the same people drawn for both.",
        gains_table(page),
    ]
    if page.drifts:
        parts += ["## Drift-to-noise ratio", _drift_text(page.drifts)]
    return "\n\n".join(parts) + "\n"


def rows_table(rows: Sequence[RowResult]) -> str:
    """One line a row."""
    head = (
        "| Row | Seeds | top-1 of a window | times chance | top-5 | top-1 of a recording | AUC | EER |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    )
    lines = [
        f"| {row.name} | {row.seeds} | {row.closed.first} | {row.closed.first.value / row.closed.chance:.1f} | "
        f"{row.closed.among_five} | {row.closed.recording_first} | {_open(row)} |"
        for row in rows
    ]
    return "\n".join([*head, *lines])


def gains_table(page: Page) -> str:
    """Rows of the same people beside the reference."""
    reference = next(row for row in page.rows if row.name == page.reference)
    lines = ["| Row | top-1 of a window | AUC |", "| --- | --- | --- |"]
    lines += [
        f"| {row.name} | {closed_gain(row.tally, reference.tally)} | {_open_gain(row, reference)} |"
        for row in page.rows
        if row is not reference and np.array_equal(row.tally.windows, reference.tally.windows)
    ]
    return "\n".join(lines)


def _open_gain(row: RowResult, reference: RowResult) -> str:
    return str(open_gain(row.trials, reference.trials, row.people)) if row.trials and reference.trials else "-"


def _open(row: RowResult) -> str:
    return "- | -" if row.open is None else f"{row.open.area} | {row.open.equal_error}"


def _drift_text(drifts: Sequence[Drift]) -> str:
    lines = [
        "| Drift | Median (range) | Accuracy of | Spearman | p | p, permuted |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for drift in drifts:
        spread = f"{np.median(drift.ratio):.2f} ({drift.ratio.min():.2f}-{drift.ratio.max():.2f})"
        lines += [
            f"| {drift.kind} | {spread} | {name} | {found.rho:.2f} | {found.p:.3f} | {found.p_permuted:.3f} |"
            for name, found in drift.correlations.items()
        ]
    return "\n".join(lines)


def _as_json(page: Page) -> dict[str, object]:
    return {
        "heading": page.heading,
        "rows": [
            {
                "name": row.name,
                "seeds": row.seeds,
                "closed": asdict(row.closed),
                "chance": row.closed.chance,
                "open": None if row.open is None else asdict(row.open),
            }
            for row in page.rows
        ],
        "drift_to_noise": [
            {
                "drift": drift.kind,
                "people": len(drift.ratio),
                "median": float(np.median(drift.ratio)),
                "correlations": {name: asdict(found) for name, found in drift.correlations.items()},
            }
            for drift in page.drifts
        ],
    }


def _draw(page: Page, path: Path) -> None:
    figure, sides = plt.subplots(1, 2, figsize=(12, 0.42 * len(page.rows) + 1.6), constrained_layout=True, sharey=True)
    kinds: tuple[tuple[str, list[Estimate | None]], ...] = (
        ("top-1 of a window, closed set", [row.closed.first for row in page.rows]),
        ("AUC, people unseen in training", [row.open.area if row.open else None for row in page.rows]),
    )
    reference = [row.name for row in page.rows].index(page.reference)
    for axes, (title, found) in zip(sides, kinds, strict=True):
        places = [place for place, one in enumerate(found) if one is not None]
        values = [one for one in found if one is not None]
        middle = np.array([one.value for one in values])
        reach = np.abs(np.array([(one.low, one.high) for one in values]).T - middle)
        axes.errorbar(middle, places, xerr=reach, fmt="o", capsize=3)
        line = middle[places.index(reference)]
        axes.axvline(line, color="0.6", linestyle="--", linewidth=1, label=page.reference)
        axes.set_title(title)
        axes.grid(alpha=0.3)
    sides[0].axvline(page.rows[0].closed.chance, color="tab:red", linewidth=1, label="chance")
    sides[0].legend()
    sides[0].set_yticks(np.arange(len(page.rows)), [row.name for row in page.rows])
    sides[0].invert_yaxis()
    figure.savefig(path, dpi=110)
    plt.close(figure)
