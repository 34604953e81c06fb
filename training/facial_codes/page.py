"""The results page of facial codes: Markdown and a picture out of the figures that the commands keep as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from training.errors import DataError
from training.evaluation.report_text import table
from training.facial_codes.drivers import SESSIONS
from training.metrics import Estimate, over_people

mpl.use("Agg")
from matplotlib import pyplot as plt  # the backend has to be chosen first

PAGE, FIGURES, PLOT, SHEET = "facial_codes.md", "facial_codes.json", "facial_codes.png", "facial_codes_tokens.png"
_SHOWN_STAGES = (1, 2, 4, 6, 8)

Row = Mapping[str, Any]


def read_rows(path: Path) -> list[Row]:
    """Figures that a command kept. Raises DataError where there are none."""
    try:
        rows = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read figures in {path}: {error}; make them with `guard-train codes`") from error
    if not isinstance(rows, list) or not rows:
        raise DataError(f"{path} holds no figures; make them with `guard-train codes`")
    return rows


def write_page(study: Sequence[Row], drivers: Sequence[Row], traits: Sequence[Row], witness: Row, out: Path) -> None:
    """Write page, figures and plot into `out`."""
    out.mkdir(parents=True, exist_ok=True)
    document = {"study": study, "drivers": drivers, "traits": traits, "witness": witness}
    (out / FIGURES).write_text(json.dumps(document) + "\n")
    (out / PAGE).write_text(page_text(study, drivers, traits, witness))
    save_plot(study, drivers, out / PLOT)


def page_text(study: Sequence[Row], drivers: Sequence[Row], traits: Sequence[Row], witness: Row) -> str:
    """The page without judgement: tables and what stands in them."""
    people = len(study[0]["by_person"])
    sections = [
        "# Facial codes",
        "Residual VQ of single frames, one codebook for all stages, a linear decoder: an expression is a sum of "
        "templates (seed_systems.md section 3; commands and reading in [../README.md](../README.md)). Figures are "
        "means over seeds; brackets are 95 % over people.",
        "## Reconstruction against stages and codebook",
        f"Share of the variance of 51 blendshapes explained on {people} people outside training, mean over people, by "
        "the first Q stages of one network (quantiser dropout makes every prefix a code of its own).",
        _sizes(study),
        "## Terms on templates",
        _terms(study),
        "Locality: Gini coefficient of a template's movement over the mesh's vertices. Cosine: of pairs of templates, "
        "absolute. Movement: L1 of a template, 1 = a typical frame about the mean.",
        f"![Reconstruction, terms and drivers]({PLOT})",
        "## Tokens",
        f"![All tokens of the live witness, most frequent first]({SHEET})",
        "## Tokens as a driver signal",
        *(f"### {bench}\n\n{_bench(drivers, bench)}" for bench in dict.fromkeys(str(row["bench"]) for row in drivers)),
        "## Bags of tokens and what people say of themselves",
        _traits(traits),
        "## The live witness",
        _witness(witness),
    ]
    return "\n\n".join(sections) + "\n"


def share_explained(rows: Sequence[Row], stage: int) -> Estimate:
    """Mean over seeds and people of the share that the first `stage` stages explain, with 95 % over people."""
    return over_people(np.mean([np.array(row["by_person"])[:, stage - 1] for row in rows], axis=0))


def _of(study: Sequence[Row], **wanted: object) -> list[Row]:
    return [row for row in study if all(row[name] == value for name, value in wanted.items())]


def _mean(rows: Sequence[Row], name: str) -> str:
    values = [float(row[name]) for row in rows]
    return f"{np.mean(values):.3g} ({min(values):.3g}-{max(values):.3g})"


def _sizes(study: Sequence[Row]) -> str:
    both = _of(study, terms="both")
    stages = [stage for stage in _SHOWN_STAGES if stage <= len(study[0]["explained"])]
    lines = []
    for codes in sorted({row["codes"] for row in both}):
        rows = _of(both, codes=codes)
        shares = [share_explained(rows, stage) for stage in stages]
        lines.append((codes, len(rows), *shares, _mean(rows, "perplexity"), _mean(rows, "dead")))
    return table(["K", "Seeds", *(f"Q = {stage}" for stage in stages), "perplexity", "dead tokens"], lines)


def _terms(study: Sequence[Row]) -> str:
    at, stages = _terms_at(study), len(study[0]["explained"])
    lines = []
    for terms in ("neither", "sparsity", "orthogonality", "both"):
        rows = _of(study, codes=at, terms=terms)
        if rows:
            names = ("perplexity", "dead", "locality", "cosine", "movement")
            lines.append((terms, len(rows), share_explained(rows, stages), *(_mean(rows, name) for name in names)))
    header = [
        f"Terms, K = {at}",
        "Seeds",
        f"explained, Q = {stages}",
        "perplexity",
        "dead",
        "locality",
        "cosine",
        "movement",
    ]
    return table(header, lines)


def _terms_at(study: Sequence[Row]) -> int:
    """The codebook at which terms were left out."""
    return int(next((row["codes"] for row in study if row["terms"] != "both"), study[0]["codes"]))


def _bench(drivers: Sequence[Row], bench: str) -> str:
    rows = _of(drivers, bench=bench)
    lines = []
    for features in dict.fromkeys(str(row["features"]) for row in rows):
        pair = [next((row for row in _of(rows, features=features, levels=levels)), None) for levels in (False, True)]
        cells = [cell for row in pair for cell in (_estimate(row, "area"), _estimate(row, "equal_error"))]
        lines.append((features, *cells))
    header = ["Compared by", "AUC, median removed", "EER", "AUC, levels as tracked", "EER"]
    return f"{rows[0]['people']} people, {rows[0]['trials']} comparisons a seed or draw.\n\n{table(header, lines)}"


def _estimate(row: Row | None, name: str) -> str:
    return "-" if row is None else str(Estimate(**row[name]))


def _traits(traits: Sequence[Row]) -> str:
    lines = []
    kinds = list(dict.fromkeys(str(row["features"]) for row in traits))
    for scale in dict.fromkeys(str(row["scale"]) for row in traits):
        own = [_of(traits, scale=scale, features=kind)[0] for kind in kinds]
        lines.append((scale, *(_correlation(row) for row in own)))
    told = (
        f"Spearman's correlation of predicted and told scores, {traits[0]['people']} people, each predicted by the "
        f"others; p by permutation, one-sided. With {len(lines)} scales a p below {0.05 / len(lines):.3f} is needed "
        "(Bonferroni)."
    )
    return f"{told}\n\n{table(['Scale', *kinds], lines)}"


def _correlation(row: Row) -> str:
    return f"{row['correlation']:+.2f} [{row['low']:+.2f}, {row['high']:+.2f}], p = {row['p']:.3f}"


def _witness(witness: Row) -> str:
    metrics = [
        (row["name"], str(Estimate(row["value"], row["low"], row["high"])), row["drivers"], row["trials"], row["about"])
        for row in witness["metrics"]
    ]
    figures = table(["Figure", "Value", "People", "Trials", "About"], metrics)
    return "\n\n".join([str(witness["training_data"]), figures, str(witness["limits"])])


def save_plot(study: Sequence[Row], drivers: Sequence[Row], path: Path) -> None:
    """Reconstruction by stages, terms on templates, drivers by comparison."""
    figure, (sizes, terms, people) = plt.subplots(1, 3, figsize=(15, 4.4), constrained_layout=True)
    _draw_sizes(study, sizes)
    _draw_terms(study, terms)
    _draw_drivers(drivers, people)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def _draw_sizes(study: Sequence[Row], axes: Any) -> None:
    both = _of(study, terms="both")
    for codes in sorted({row["codes"] for row in both}):
        rows = _of(both, codes=codes)
        stages = range(1, len(rows[0]["explained"]) + 1)
        found = [share_explained(rows, stage) for stage in stages]
        axes.plot(stages, [one.value for one in found], ".-", label=f"K = {codes}")
        axes.fill_between(stages, [one.low for one in found], [one.high for one in found], alpha=0.1)
    axes.set(xlabel="stages Q", ylabel="variance explained", title="Reconstruction, people outside training")
    axes.legend()
    axes.grid(alpha=0.3)


def _draw_terms(study: Sequence[Row], axes: Any) -> None:
    for terms in ("neither", "sparsity", "orthogonality", "both"):
        rows = _of(study, codes=_terms_at(study), terms=terms)
        axes.plot([row["locality"] for row in rows], [row["cosine"] for row in rows], "o", label=terms)
    axes.set(
        xlabel="locality (Gini) of templates", ylabel="mean |cosine| of pairs", title="Terms on templates, each seed"
    )
    axes.legend()
    axes.grid(alpha=0.3)


def _draw_drivers(drivers: Sequence[Row], axes: Any) -> None:
    rows = _of(drivers, bench=SESSIONS)
    names = list(dict.fromkeys(str(row["features"]) for row in rows))
    for levels, shift, label in ((False, -0.18, "median removed"), (True, 0.18, "levels as tracked")):
        own = [_of(rows, features=name, levels=levels)[0]["area"] for name in names]
        value: NDArray[np.float64] = np.array([one["value"] for one in own])
        spread = [value - [one["low"] for one in own], [one["high"] for one in own] - value]
        axes.barh(np.arange(len(names)) + shift, value, 0.34, xerr=np.maximum(spread, 0), label=label, capsize=2)
    axes.set(xlim=(0.5, 1), xlabel="AUC", title=f"Drivers, {SESSIONS}")
    axes.set_yticks(np.arange(len(names)), names, fontsize=8)
    axes.invert_yaxis()
    axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2)
    axes.grid(alpha=0.3, axis="x")
