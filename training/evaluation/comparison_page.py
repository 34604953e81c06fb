"""What a comparison of rows found, as a page for people: Markdown and a picture."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib as mpl
import numpy as np

from training.evaluation.comparison import POOLINGS
from training.evaluation.comparison_report import Comparison
from training.evaluation.error_analysis import save_analysis
from training.evaluation.error_text import errors_text
from training.evaluation.report_text import as_json, table

mpl.use("Agg")
from matplotlib import pyplot as plt  # the backend has to be chosen first


def write_comparison(found: Comparison, out: Path) -> None:
    """Write comparison.md, comparison.json, comparison.png and errors.png into `out`."""
    document = as_json(found)
    (out / "comparison.json").write_text(json.dumps(document, indent=2, allow_nan=False) + "\n")
    (out / "comparison.md").write_text(_markdown(found))
    _draw(found, out / "comparison.png")
    save_analysis(found.errors, out / "errors.png")


def comparison_table(found: Comparison) -> str:
    """All rows in Markdown, the least error on the unseen generator first."""
    header = ["Row", "Seeds", f"{found.unseen} (unseen), one window", "four pooled", "EER pooled",
              *(f"{name}, one window" for name in found.seen), "raw clips, any face"]  # fmt: skip
    raw = {figure.row: str(figure.area) for figure in found.raw}
    lines = []
    for row in found.rows():
        window, pooled = (found.cell(row, found.unseen, "all", pooling) for pooling in POOLINGS)
        seen = [found.cell(row, name, "all", POOLINGS[0]).area for name in found.seen]
        error = f"{pooled.equal_error:.3f}"
        lines.append((row, len(window.seeds), window.area, pooled.area, error, *seen, raw.get(row, "-")))
    return table(header, lines)


def _markdown(found: Comparison) -> str:
    protocol = found.protocol
    sections = [
        "# Rows side by side",
        f"{found.drivers} unseen drivers on unseen faces, {found.trials} trials that show one face; windows of "
        f"{protocol.frames} frames, {protocol.enrol} a side; intervals are 95 % over drivers, of the mean over seeds.",
        comparison_table(found),
        "![AUC of all rows](comparison.png)",
        f"## Kinds of drivers, {found.unseen}",
        _kinds(found),
        *_other_days(found),
        f"## {found.subject} against the others, {found.unseen}",
        "Less error: 1 - (1 - AUC) / (1 - AUC of the other), on the same draws of drivers.",
        table(
            ["Than", *(f"{pooling}: less error" for pooling in POOLINGS), "intervals of one window apart"],
            [_against(found, other) for other in found.rows() if other != found.subject],
        ),
        f"## Enrolled on one generator (rows), probed on another (columns): {found.subject}, one window",
        table(
            ["", *found.matrix],
            [(name, *(f"{area:.3f}" for area in line.values())) for name, line in found.matrix.items()],
        ),
        f"## Errors of {found.subject} (first seed), {found.unseen}",
        "![Errors](errors.png)",
        errors_text(found.errors),
    ]
    return "\n\n".join(sections) + "\n"


def _kinds(found: Comparison) -> str:
    kinds = [kind for kind in dict.fromkeys(figure.people for figure in found.figures) if kind != "all"]
    columns = [(kind, pooling) for kind in kinds for pooling in POOLINGS]
    lines = [(row, *(found.cell(row, found.unseen, *column).area for column in columns)) for row in found.rows()]
    return table(["Row", *(f"{kind}, {pooling}" for kind, pooling in columns)], lines)


def _other_days(found: Comparison) -> list[str]:
    if not found.days:
        return []
    cells = {(figure.row, figure.pooling): figure for figure in found.days}
    header = [
        "Row",
        *(f"{name}: {what}" for name in ("one recording", "four of a day pooled") for what in ("AUC", "EER")),
    ]
    lines = [
        (row, *(part for cell in (cells[row, pooling] for pooling in POOLINGS)
                for part in (cell.area, f"{cell.equal_error:.3f}")))
        for row in found.rows()
    ]  # fmt: skip
    return [
        f"## People on another day, {found.unseen}",
        "Recordings of about a second by people outside training, on common faces; both sides of a trial show one face "
        "and were recorded on different days (guessed from clothing).",
        table(header, lines),
    ]


def _against(found: Comparison, other: str) -> tuple[object, ...]:
    pairs = [pair for pair in found.lessenings if pair.reference == other]
    return other, *(pair.share for pair in pairs), "yes" if pairs[0].apart else "no"


def _draw(found: Comparison, path: Path) -> None:
    rows = found.rows()[::-1]
    figure, axes = plt.subplots(figsize=(8, 0.45 * len(rows) + 1.5), constrained_layout=True)
    for offset, pooling in zip((0.12, -0.12), POOLINGS, strict=True):
        cells = [found.cell(row, found.unseen, "all", pooling) for row in rows]
        values = np.array([cell.area.value for cell in cells])
        spread = np.array([[c.area.value - c.area.low for c in cells], [c.area.high - c.area.value for c in cells]])
        places = np.arange(len(rows)) + offset
        axes.errorbar(values, places, xerr=np.maximum(spread, 0), fmt="o", capsize=3, label=pooling)
        for place, cell in zip(places, cells, strict=True):
            axes.plot(cell.seeds, [place] * len(cell.seeds), "|", color="0.4", markersize=8)
    axes.axvline(0.5, color="0.7", linestyle="--", linewidth=1)
    axes.set_yticks(range(len(rows)), rows)
    axes.set(xlabel=f"AUC, same face, unseen drivers, unseen generator ({found.unseen}); ticks: single seeds")
    axes.grid(alpha=0.3, axis="x")
    axes.legend()
    figure.savefig(path, dpi=110)
    plt.close(figure)
