"""What a study of person models found, as a page for people: Markdown, a picture, and JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

from engines.person_models.faces import PAIRS_A_PROBE
from training.evaluation.report_text import as_json, table
from training.metrics import Estimate
from training.person_models.figures import POOLED, Fit, Row, Side
from training.person_models.score import PROBE_APART_FRAMES
from training.person_models.study import AS_LEARNT, PersonStudy

mpl.use("Agg")
from matplotlib import pyplot as plt  # the backend has to be chosen first
from matplotlib.axes import Axes

NAME = "person_models"


def write_study(study: PersonStudy, out: Path) -> None:
    """Write person_models.md, .json and .png into `out`."""
    document = json.dumps(as_json(study), indent=2, allow_nan=False)
    (out / f"{NAME}.json").write_text(document + "\n")
    (out / f"{NAME}.md").write_text(study_text(study))
    _draw(study, out / f"{NAME}.png")


def study_text(study: PersonStudy) -> str:
    """Everything in Markdown."""
    sections = [
        "# Person-specific models",
        f"{study.parameters:,} parameters a model. A person's model begins with the general one and learns from "
        f"{study.enrolment_frames} frames (median) in {study.config.epochs} epochs: {study.learning_seconds:.0f} s of "
        f"one core. A probe is a stretch of a recording, told by up to {PAIRS_A_PROBE} pairs of faces "
        f"{PROBE_APART_FRAMES} frames apart; one model takes {study.probe_milliseconds:.0f} ms of one core for it. "
        "Errors are mean absolute error + 5 (1 - SSIM) of faces that were drawn from the other face's neutral; "
        "log-ratios are natural logs, positive where the own model errs least. 95 % over people.",
        "## On people's own videos, other days",
        "Appearance differs between people here and wins: *looks alone* shows each face twice, with nothing to swap.",
        *_side(study.own),
    ]
    if study.variants:
        sections += ["## Other ways to learn", _variants(study)]
    if study.common is not None:
        sections += [
            "## On common faces",
            "Every driver drives the same faces by rendering, through a simulated call, so that looks cannot tell. "
            "*Looks alone* still shows how a driver holds the head and what expression is on it, yet no movement. The "
            "cohort's models are of other drivers on that face.",
            *_side(study.common),
        ]
    if study.read_out is not None:
        sections += ["## Movements read out of the frozen embedding", _read_out(study)]
    return "\n\n".join([*sections, f"![Errors and areas]({NAME}.png)"]) + "\n"


def _side(side: Side) -> list[str]:
    return [
        f"People outside training: {side.people}; faces: {side.faces}; seeds: {side.seeds}; impostor trials of one "
        f"probe: {side.impostors}.",
        table(["Model", "error on held-out probes", "log-ratio to the own model"], _fit_rows(side.fit)),
        table(["Score", "Probes", "AUC", "EER"], [_accuracy(row) for row in side.rows]),
        f"What movement adds to the AUC of looks alone, against a cohort: {side.movement_lead[0]} with one probe, "
        f"{side.movement_lead[1]} with {POOLED}.",
    ]


def _fit_rows(fit: Fit) -> list[tuple[str, Estimate, Estimate | str]]:
    return [
        ("the person's own", fit.own, "-"),
        ("general", fit.general, fit.general_over_own),
        ("other people's (mean)", fit.others, fit.others_over_own),
    ]


def _accuracy(row: Row) -> tuple[str, int, Estimate, Estimate]:
    return row.name, row.probes, row.area, row.equal_error


def _variants(study: PersonStudy) -> str:
    header = ["Learnt", f"log of own error over {AS_LEARNT}", "log(general / own)", "log(others / own)"]
    lines = [
        (one.name, one.error_over_as_learnt, one.fit.general_over_own, one.fit.others_over_own,
         next(row.area for row in one.rows if row.name == "against a cohort" and row.probes == 1))
        for one in study.variants
    ]  # fmt: skip
    return table([*header, "AUC against a cohort, one probe"], lines)


def _read_out(study: PersonStudy) -> str:
    found = study.read_out
    if found is None:
        return ""
    lines: list[tuple[str, Estimate, Estimate | str]] = [
        ("the person's own model", found.own, "-"),
        ("general model", found.general, found.own_over_general),
        ("another person's model", found.others, found.own_over_others),
        ("principal components of the pixels", found.pixels, "-"),
    ]
    told = (
        f"Mean F1 of {found.movements:.0f} blendshapes (mean over {found.people} people) that are active in 2 to 98 % "
        "of the frames, by logistic regression trained on the enrolment side and asked on the other days; each as many "
        "numbers a face."
    )
    return "\n\n".join([told, table(["Features", "F1", "own model's lead"], lines)])


def _draw(study: PersonStudy, path: Path) -> None:
    sides = [("own videos, other days", study.own)]
    if study.common is not None:
        sides.append(("common faces", study.common))
    figure, panels = plt.subplots(len(sides), 2, figsize=(11, 3.4 * len(sides)), constrained_layout=True, squeeze=False)
    for (name, side), (errors, areas) in zip(sides, panels, strict=True):
        _dots(errors, [(label, error) for label, error, _ in _fit_rows(side.fit)])
        errors.set(xlabel="swap error, held-out probes", title=name)
        _dots(areas, [(_label(row), row.area) for row in side.rows])
        areas.axvline(0.5, color="0.6", linewidth=1, linestyle="--")
        areas.set(xlabel="AUC", title=name, xlim=(0.3, 1.02))
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _label(row: Row) -> str:
    return f"{row.name}, {'one probe' if row.probes == 1 else f'{POOLED} probes'}"


def _dots(axes: Axes, figures: Sequence[tuple[str, Estimate]]) -> None:
    places = range(len(figures))
    values = [estimate.value for _, estimate in figures]
    below = [max(0.0, estimate.value - estimate.low) for _, estimate in figures]
    above = [max(0.0, estimate.high - estimate.value) for _, estimate in figures]
    axes.errorbar(values, places, xerr=[below, above], fmt="o", capsize=3)
    axes.set_yticks(places, [name for name, _ in figures], fontsize=8)
    axes.set_ylim(len(figures) - 0.5, -0.5)
    axes.grid(alpha=0.3)
