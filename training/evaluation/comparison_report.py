"""All rows on all clips of a bench: the figures, and what sets one row apart from the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from training.errors import CheckpointError, DataError
from training.evaluate import Protocol
from training.evaluation.bench_clips import BENCH_PROTOCOL, PROCEDURAL_FROM, BenchClips, BenchSource, bench_clips
from training.evaluation.comparison import (
    POOLINGS,
    Lessening,
    by_driver,
    kept_embeddings,
    lessening,
    over_seeds,
    runs_of,
    trials_of,
)
from training.evaluation.day_clips import DayClips, day_clips, day_trials
from training.evaluation.error_analysis import ErrorAnalysis, analyse, bench_motion
from training.evaluation.generator_matrix import matrix_cells, one_window_areas
from training.evaluation.prepared_clips import LabelledClip, prepared_clips
from training.evaluation.protocols import ClipLabels, clip_table, session_trials
from training.metrics import Estimate, Trials, Weights, pooled_area, pooled_equal_error

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
    """All that was measured.

    subject: the row that is set against the others. matrix: its areas of one window by enrolled and probed generator.
    days: people on another day, on the unseen generator; empty without real people. errors: of the subject's first seed
    on the unseen generator.
    """

    subject: str
    seen: tuple[str, ...]
    unseen: str
    figures: tuple[Figure, ...]
    days: tuple[Figure, ...]
    raw: tuple[Figure, ...]
    lessenings: tuple[Lessening, ...]
    matrix: dict[str, dict[str, float]]
    errors: ErrorAnalysis
    drivers: int
    trials: int
    protocol: Protocol

    def cell(self, row: str, bench: str, people: str, pooling: str) -> Figure:
        wanted = (row, bench, people, pooling)
        return next(f for f in self.figures if (f.row, f.bench, f.people, f.pooling) == wanted)

    def rows(self) -> list[str]:
        """Names of all rows, the least error on the unseen generator first."""
        mine = [f for f in self.figures if (f.bench, f.people, f.pooling) == (self.unseen, "all", POOLINGS[0])]
        return [figure.row for figure in sorted(mine, key=lambda figure: -figure.area.value)]


def compare_runs(
    runs: Path,
    out: Path,
    source: BenchSource,
    seen: tuple[str, ...],
    unseen: str,
    manifest: Path | None,
    subject: str,
    threads: int,
) -> Comparison:
    """Measure every run of a folder.

    subject: the row that is set against all others, and whose errors are looked into. out: where clips and embeddings
    are kept, so that a further run costs only its own time. Raises DataError where there is no such row.
    """
    torch.set_num_threads(threads)
    rows = runs_of(runs)
    if subject not in rows:
        raise DataError(f"no row {subject!r} in {runs}; there are {', '.join(rows)}")
    benches = bench_clips(source, (*seen, unseen), out / "bench")
    embedded = {row: [_embed_all(run, benches, out / "embeddings") for run in seeds] for row, seeds in rows.items()}
    figures, areas = _figures(benches, embedded, unseen)
    days = (
        [] if source.data is None else _day_figures(rows, day_clips(_of_a_second(source), unseen, out / "bench"), out)
    )
    raw = [] if manifest is None else _raw_figures(rows, raw_clips(prepared_clips(manifest, "test")), out)
    first = by_driver(benches[unseen], embedded[subject][0][unseen])
    return Comparison(
        subject=subject,
        seen=seen,
        unseen=unseen,
        figures=tuple(figures),
        days=tuple(days),
        raw=tuple(raw),
        lessenings=tuple(
            lessening(areas[pooling], subject, other) for other in rows if other != subject for pooling in POOLINGS
        ),
        matrix=one_window_areas(matrix_cells(benches, embedded[subject])),
        errors=analyse(bench_motion(benches[unseen]), first),
        drivers=len({row.driver for row in first}),
        trials=len(trials_of(first)[POOLINGS[0]].scores),
        protocol=source.protocol,
    )


def _of_a_second(source: BenchSource) -> BenchSource:
    """Whatever the bench's windows: recordings of another day are short."""
    return replace(source, protocol=BENCH_PROTOCOL)


def _figures(
    benches: dict[str, BenchClips], embedded: dict[str, list[dict[str, NDArray[np.float32]]]], unseen: str
) -> tuple[list[Figure], dict[str, dict[str, tuple[Estimate, Weights]]]]:
    """Every cell of the table, and by pooling and row the areas on the unseen generator in every draw of drivers."""
    figures: list[Figure] = []
    areas: dict[str, dict[str, tuple[Estimate, Weights]]] = {pooling: {} for pooling in POOLINGS}
    for (row, seeds), (bench, clips) in product(embedded.items(), benches.items()):
        for people, wanted in _people(clips):
            sides = [trials_of(by_driver(_subset(clips, wanted), found[bench][wanted])) for found in seeds]
            for pooling in POOLINGS:
                figure, drawn = _figure(row, bench, people, pooling, [side[pooling] for side in sides])
                figures.append(figure)
                if (bench, people) == (unseen, "all"):
                    areas[pooling][row] = (figure.area, drawn)
    return figures, areas


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


def _day_figures(rows: dict[str, list[Path]], clips: DayClips, out: Path) -> list[Figure]:
    figures = []
    for row, seeds in rows.items():
        embedded = [kept_embeddings(run, "days", clips.frames, clips.landmarks, out / "embeddings") for run in seeds]
        trials = [day_trials(clips, embeddings) for embeddings in embedded]
        figures += [_figure(row, "days", "people", name, [seed[name] for seed in trials])[0] for name in POOLINGS]
    return figures


def _raw_figures(rows: dict[str, list[Path]], clips: RawClips, out: Path) -> list[Figure]:
    figures = []
    for row, seeds in rows.items():
        try:
            found = [kept_embeddings(run, "raw", clips.frames, None, out / "embeddings") for run in seeds]
        except CheckpointError:  # reads landmarks, which a camera's clip does not come with
            continue
        trials = [session_trials(clip_table(embeddings, clips.labels)) for embeddings in found]
        figures.append(_figure(row, "raw clips", "people", POOLINGS[0], trials)[0])
    return figures
