"""The generator matrix as a page for people: Markdown, a heat map, and JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

from training.evaluation.comparison import POOLINGS
from training.evaluation.generator_matrix import GeneratorMatrix
from training.evaluation.report_text import as_json, table
from training.metrics import Estimate

mpl.use("Agg")
from matplotlib import pyplot as plt  # the backend has to be chosen first
from matplotlib.axes import Axes

_LEAST, _MOST = 0.5, 0.9
"""Areas at the ends of the colours; chance is white."""


def write_matrices(found: Sequence[GeneratorMatrix], out: Path) -> None:
    """Write matrix.md, matrix.json and matrix.png into `out`."""
    (out / "matrix.json").write_text(json.dumps([_document(one) for one in found], indent=2, allow_nan=False) + "\n")
    (out / "matrix.md").write_text(matrix_text(found))
    _draw(found, out / "matrix.png")


def matrix_text(found: Sequence[GeneratorMatrix]) -> str:
    """Everything in Markdown."""
    first = found[0]
    protocol = first.protocol
    sections = [
        "# Enrolled on one generator, probed on another",
        f"{first.drivers} unseen drivers, the same windows of each on {protocol.targets} unseen faces by every "
        f"generator; a trial keeps to one face. Windows of {protocol.frames} frames, {protocol.enrol} a side, cosine. "
        "AUC with 95 % over drivers. The 3-D heads of face_mesh are people of their own.",
    ]
    for one in found:
        sections += [f"## {one.name}", f"Through {one.through}. Seen in training: {', '.join(one.seen) or 'none'}."]
        for pooling in POOLINGS:
            sections += [f"Rows enrolled, columns probed, {pooling}:", _cells(one, pooling)]
        sections.append(_crossings(one))
    return "\n\n".join([*sections, "![Heat maps](matrix.png)"]) + "\n"


def _cells(one: GeneratorMatrix, pooling: str) -> str:
    header = ["", *(_marked(one, name) for name in one.generators)]
    lines = [
        (_marked(one, enrolled), *(one.cell(enrolled, probed, pooling).area for probed in one.generators))
        for enrolled in one.generators
    ]
    return table(header, lines)


def _crossings(one: GeneratorMatrix) -> str:
    areas: dict[str, dict[str, Estimate]] = {}
    cells = {}
    for crossing in one.crossings():
        areas.setdefault(crossing.kind, {})[crossing.pooling] = crossing.area
        cells[crossing.kind] = crossing.cells
    lines = [(kind, cells[kind], *(by[pooling] for pooling in POOLINGS)) for kind, by in areas.items()]
    return table(["Generators of the two sides", "Cells", *(f"mean AUC, {pooling}" for pooling in POOLINGS)], lines)


def _marked(one: GeneratorMatrix, name: str) -> str:
    return name if name in one.seen else f"{name} (unseen)"


def _document(one: GeneratorMatrix) -> object:
    return {
        "name": one.name,
        "through": one.through,
        "generators": [{"name": name, "seen": name in one.seen} for name in one.generators],
        "drivers": one.drivers,
        "faces": one.faces,
        "frames": one.protocol.frames,
        "cells": [
            {"enrolled": c.enrolled, "probed": c.probed, "pooling": c.pooling, "area": as_json(c.area),
             "equal_error": c.equal_error}
            for c in one.cells
        ],
        "crossings": as_json(one.crossings()),
    }  # fmt: skip


def _draw(found: Sequence[GeneratorMatrix], path: Path) -> None:
    size = (5.6 * len(POOLINGS), 4.8 * len(found))
    figure, panels = plt.subplots(len(found), len(POOLINGS), figsize=size, constrained_layout=True, squeeze=False)
    for one, line in zip(found, panels, strict=True):
        for pooling, axes in zip(POOLINGS, line, strict=True):
            _heat_map(axes, one, pooling)
    figure.colorbar(panels[0][0].images[0], ax=panels, shrink=0.7, label="AUC")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _heat_map(axes: Axes, one: GeneratorMatrix, pooling: str) -> None:
    cells = [[one.cell(enrolled, probed, pooling) for probed in one.generators] for enrolled in one.generators]
    axes.imshow([[cell.area.value for cell in line] for line in cells], cmap="Greens", vmin=_LEAST, vmax=_MOST)
    for row, line in enumerate(cells):
        for column, cell in enumerate(line):
            area = cell.area
            dark = area.value > (_LEAST + _MOST) / 2
            text = f"{area.value:.3f}\n{area.low:.2f}-{area.high:.2f}"
            axes.text(column, row, text, ha="center", va="center", fontsize=8, color="white" if dark else "black")
    labels = [name if name in one.seen else f"{name}\n(unseen)" for name in one.generators]
    axes.set_xticks(range(len(labels)), labels, fontsize=8)
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    axes.set(xlabel="probed", ylabel="enrolled", title=f"{one.name}: {pooling}")
