"""The table of all rows, and what sets them apart: Markdown, JSON and a picture."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from numpy.typing import NDArray

from training.errors import CheckpointError, DataError
from training.evaluate import Protocol
from training.evaluation.bench_clips import PROCEDURAL_FROM, BenchClips, BenchSource, bench_clips
from training.evaluation.comparison import (
    Lessening,
    by_driver,
    cross_sides,
    kept_embeddings,
    lessening,
    over_seeds,
    runs_of,
    trials_of,
)
from training.evaluation.manifest_report import LabelledClip
from training.evaluation.prepared_clips import prepared_clips
from training.evaluation.protocols import ClipLabels, clip_table, session_trials
from training.evaluation.report_text import as_json, table
from training.metrics import Estimate, Trials, Weights, pooled_area, pooled_equal_error

mpl.use("Agg")
from matplotlib import pyplot as plt  # the backend has to be chosen first

_RAW_FRAMES = 30
"""The published recipe's window, which every real clip of the anchors fills."""


@dataclass(frozen=True, slots=True)
class RawClips:
    """Real recordings of unseen people as a camera took them: frames uint8 (n, 30, 128, 128)."""

    frames: NDArray[np.uint8]
    labels: tuple[ClipLabels, ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """One cell of the table. seeds: the area of each run."""

    row: str
    bench: str
    people: str
    pooling: str
    area: Estimate
    equal_error: float
    seeds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that was measured. matrix: areas of one window by row, then enrolled and probed generator."""

    seen: tuple[str, ...]
    unseen: str
    figures: tuple[Figure, ...]
    raw: tuple[Figure, ...]
    lessenings: tuple[Lessening, ...]
    matrix: dict[str, dict[str, dict[str, float]]]
    drivers: int
    trials: int
    protocol: Protocol

    def cell(self, row: str, bench: str, people: str, pooling: str) -> Figure:
        wanted = (row, bench, people, pooling)
        return next(f for f in self.figures if (f.row, f.bench, f.people, f.pooling) == wanted)

    def rows(self) -> list[str]:
        """Names of all rows, the least error on the unseen generator first."""
        mine = [f for f in self.figures if (f.bench, f.people, f.pooling) == (self.unseen, "all", "one window")]
        return [figure.row for figure in sorted(mine, key=lambda figure: -figure.area.value)]

    def table(self) -> str:
        """Markdown."""
        header = ["Row", "Seeds", f"{self.unseen} (unseen), one window", "four pooled", "EER pooled",
                  *(f"{name}, one window" for name in self.seen), "raw clips, any face"]  # fmt: skip
        raw = {figure.row: str(figure.area) for figure in self.raw}
        lines = []
        for row in self.rows():
            window, pooled = (self.cell(row, self.unseen, "all", p) for p in ("one window", "four pooled"))
            seen = [self.cell(row, name, "all", "one window").area for name in self.seen]
            error = f"{pooled.equal_error:.3f}"
            lines.append((row, len(window.seeds), window.area, pooled.area, error, *seen, raw.get(row, "-")))
        return table(header, lines)


def compare_runs(
    runs: Path, out: Path, source: BenchSource, seen: tuple[str, ...], unseen: str, manifest: Path | None, threads: int
) -> Comparison:
    """Measure every run of a folder and write comparison.md, comparison.json and comparison.png into `out`.

    Clips and embeddings are kept in `out`, so that a further run costs only its own time.
    """
    torch.set_num_threads(threads)
    rows = runs_of(runs)
    benches = bench_clips(source, (*seen, unseen), out / "bench")
    embedded = {row: [_embed_all(run, benches, out / "embeddings") for run in seeds] for row, seeds in rows.items()}
    figures: list[Figure] = []
    areas: dict[tuple[str, str], dict[str, tuple[Estimate, Weights]]] = {}
    for row, seeds in embedded.items():
        for bench, clips in benches.items():
            for people, wanted in _people(clips):
                sides = [by_driver(_subset(clips, wanted), found[bench][wanted]) for found in seeds]
                for pooling in ("one window", "four pooled"):
                    trials = [trials_of(side)[pooling] for side in sides]
                    figure, drawn = _figure(row, bench, people, pooling, trials)
                    figures.append(figure)
                    if (bench, people) == (unseen, "all"):
                        areas.setdefault(("unseen", pooling), {})[row] = (figure.area, drawn)
    raw = [] if manifest is None else _raw_figures(rows, raw_clips(prepared_clips(manifest, "test")), out)
    count = trials_of(by_driver(benches[unseen], next(iter(embedded.values()))[0][unseen]))["one window"]
    drivers = len(np.unique(benches[unseen].driver))
    found = Comparison(
        seen, unseen, tuple(figures), tuple(raw), _lessenings(areas["unseen", "one window"]),
        {row: _matrix(benches, seeds) for row, seeds in embedded.items()}, drivers, len(count.scores), source.protocol,
    )  # fmt: skip
    _write(found, out)
    return found


def raw_clips(clips: Iterable[LabelledClip]) -> RawClips:
    """The middle of each clip that is long enough and unbroken there. Raises DataError where none is."""
    frames, labels = [], []
    for clip in clips:
        first = (len(clip.frames) - _RAW_FRAMES) // 2
        if first >= 0 and clip.continues[first + 1 : first + _RAW_FRAMES].all():
            frames.append(clip.frames[first : first + _RAW_FRAMES])
            labels.append(clip.labels)
    if not frames:
        raise DataError(f"no clip of the test split holds {_RAW_FRAMES} frames without a break")
    return RawClips(np.stack(frames), tuple(labels))


def _embed_all(run: Path, benches: dict[str, BenchClips], kept: Path) -> dict[str, NDArray[np.float32]]:
    return {name: kept_embeddings(run, name, clips.frames, clips.landmarks, kept) for name, clips in benches.items()}


def _people(clips: BenchClips) -> list[tuple[str, NDArray[np.bool_]]]:
    real = clips.driver < PROCEDURAL_FROM
    kinds = [("all", np.ones(len(real), np.bool_)), ("people", real), ("procedural", ~real)]
    return [(name, chosen) for name, chosen in kinds if len(np.unique(clips.driver[chosen])) > 1]


def _subset(clips: BenchClips, chosen: NDArray[np.bool_]) -> BenchClips:
    return BenchClips(
        clips.frames[chosen], clips.landmarks[chosen], clips.driver[chosen], clips.face[chosen], clips.probe[chosen]
    )


def _figure(row: str, bench: str, people: str, pooling: str, trials: Sequence[Trials]) -> tuple[Figure, Weights]:
    area, drawn = over_seeds(trials, pooled_area)
    error = float(np.mean([pooled_equal_error(seed) for seed in trials]))
    return Figure(row, bench, people, pooling, area, error, tuple(pooled_area(seed) for seed in trials)), drawn


def _raw_figures(rows: dict[str, list[Path]], clips: RawClips, out: Path) -> list[Figure]:
    figures = []
    for row, seeds in rows.items():
        try:
            found = [kept_embeddings(run, "raw", clips.frames, None, out / "embeddings") for run in seeds]
        except CheckpointError:  # reads landmarks, which a camera's clip does not come with
            continue
        trials = [session_trials(clip_table(embeddings, clips.labels)) for embeddings in found]
        figures.append(_figure(row, "raw clips", "people", "one window", trials)[0])
    return figures


def _lessenings(areas: dict[str, tuple[Estimate, Weights]]) -> tuple[Lessening, ...]:
    """Every pair of rows in which the first has less error."""
    ranked = sorted(areas, key=lambda row: -areas[row][0].value)
    return tuple(lessening(areas, row, other) for place, row in enumerate(ranked) for other in ranked[place + 1 :])


def _matrix(
    benches: dict[str, BenchClips], seeds: Sequence[dict[str, NDArray[np.float32]]]
) -> dict[str, dict[str, float]]:
    """Area of one window, enrolled on the clips of one generator and probed on another's."""
    matrix: dict[str, dict[str, float]] = {}
    for enrolled in benches:
        for probed in benches:
            areas = [
                pooled_area(
                    trials_of(cross_sides(benches[enrolled], found[enrolled], benches[probed], found[probed]))[
                        "one window"
                    ]
                )
                for found in seeds
            ]
            matrix.setdefault(enrolled, {})[probed] = float(np.mean(areas))
    return matrix


def _write(found: Comparison, out: Path) -> None:
    (out / "comparison.json").write_text(json.dumps(as_json(found), indent=2, allow_nan=False) + "\n")
    (out / "comparison.md").write_text(_markdown(found))
    _draw(found, out / "comparison.png")


def _markdown(found: Comparison) -> str:
    protocol = found.protocol
    best = found.rows()[0]
    people = [
        (row, *(found.cell(row, found.unseen, kind, pooling).area
                for kind in dict.fromkeys(f.people for f in found.figures) if kind != "all"
                for pooling in ("one window", "four pooled")))
        for row in found.rows()
    ]  # fmt: skip
    kinds = [kind for kind in dict.fromkeys(f.people for f in found.figures) if kind != "all"]
    sections = [
        "# Rows side by side",
        f"{found.drivers} unseen drivers on unseen faces, {found.trials} trials that show one face; windows of "
        f"{protocol.frames} frames, {protocol.enrol} a side; intervals are 95 % over drivers, of the mean over seeds.",
        found.table(),
        "## Kinds of drivers, unseen generator",
        table(["Row", *(f"{kind}, {pooling}" for kind in kinds for pooling in ("one window", "four pooled"))], people),
        f"## Less error than others: {best}",
        table(
            ["Than", "Less error", "Intervals apart"],
            [
                (pair.reference, pair.share, "yes" if pair.apart else "no")
                for pair in found.lessenings
                if pair.row == best
            ],
        ),
        f"## Enrolled on one generator (rows), probed on another (columns): {best}",
        table(
            ["", *found.matrix[best]],
            [(name, *(f"{area:.3f}" for area in line.values())) for name, line in found.matrix[best].items()],
        ),
        "![AUC of all rows](comparison.png)",
    ]
    return "\n\n".join(sections) + "\n"


def _draw(found: Comparison, path: Path) -> None:
    rows = found.rows()[::-1]
    figure, axes = plt.subplots(figsize=(8, 0.45 * len(rows) + 1.5), constrained_layout=True)
    for offset, pooling in ((0.12, "one window"), (-0.12, "four pooled")):
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
