"""Is a driver known again who comes through another generator? Enrolled on one, probed on another.

Every generator leaves marks of its own. All of them render the same windows of the same drivers on as many faces, so a
cell differs from its neighbours in the generators alone. The shaded 3-D heads are people of their own: there, face
number n is another face, for genuine and impostor trials alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from engines.registry import load_engine
from training.embedding import through_engine
from training.errors import CheckpointError, DataError
from training.evaluate import Protocol, embed_windows
from training.evaluation.bench_clips import BenchClips, BenchSource, bench_clips
from training.evaluation.comparison import POOLINGS, cross_sides, kept_embeddings, over_seeds, trials_of
from training.evaluation.kept_arrays import kept_rows
from training.fit import CHECKPOINT
from training.generators.generator import FACE_MESH, WARPS
from training.metrics import Estimate, Weights, pooled_area, pooled_equal_error

GENERATORS = (*WARPS, FACE_MESH)

Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Cell:
    """Enrolled on the clips of one generator, probed on another's. drawn: the area in every draw of drivers."""

    enrolled: str
    probed: str
    pooling: str
    area: Estimate
    equal_error: float
    drawn: Weights


@dataclass(frozen=True, slots=True)
class Crossing:
    """Mean area over the cells of one kind, with its interval over drivers. cells: how many."""

    kind: str
    pooling: str
    cells: int
    area: Estimate


@dataclass(frozen=True, slots=True)
class GeneratorMatrix:
    """One engine's or row's cells. through: what made the embeddings. seen: generators that its training used; all
    others are unseen."""

    name: str
    through: str
    generators: tuple[str, ...]
    seen: tuple[str, ...]
    cells: tuple[Cell, ...]
    drivers: int
    faces: int
    protocol: Protocol

    def cell(self, enrolled: str, probed: str, pooling: str) -> Cell:
        wanted = (enrolled, probed, pooling)
        return next(c for c in self.cells if (c.enrolled, c.probed, c.pooling) == wanted)

    def crossings(self) -> tuple[Crossing, ...]:
        """Both sides through one generator or two, seen in training or not; kinds without cells are left out."""
        found = []
        for kind in _KINDS:
            for pooling in POOLINGS:
                cells = [c for c in self.cells if c.pooling == pooling and _kind(c, self.seen) == kind]
                if cells:
                    found.append(Crossing(kind, pooling, len(cells), _mean(cells)))
        return tuple(found)


_KINDS = ("one, seen", "one, unseen", "two, both seen", "two, one of them unseen", "two, both unseen")


def measure_matrix(
    engine: Path | None, row: Path | None, out: Path, source: BenchSource, seen: tuple[str, ...], threads: int
) -> tuple[GeneratorMatrix, ...]:
    """The matrix of an engine, through its streaming path, and of a row of trained runs, ROW/SEED/checkpoint.pt.

    out: where clips and embeddings are kept. Raises DataError for a generator that there is not and where neither is
    given, CheckpointError for a row without runs.
    """
    unknown = [name for name in seen if name not in GENERATORS]
    if unknown:
        raise DataError(f"no generator is called {unknown[0]!r}; there are {', '.join(GENERATORS)}")
    if engine is None and row is None:
        raise DataError("nothing to measure: give an engine folder, a row of runs or both")
    runs = [] if row is None else sorted(path.parent for path in row.glob(f"*/{CHECKPOINT}"))
    if row is not None and not runs:
        raise CheckpointError(f"no runs in {row}; a row is laid out SEED/{CHECKPOINT}, each made by `fit`")
    torch.set_num_threads(threads)
    benches = bench_clips(source, GENERATORS, out / "bench")
    kept = out / "embeddings"
    found = []
    if engine is not None:
        name, rows = _through_engine(engine, benches, kept, threads)
        found.append(_matrix(name, "the exported engine, frame by frame", benches, [rows], seen, source.protocol))
    if row is not None:
        seeds = [
            {name: kept_embeddings(run, name, clips.frames, clips.landmarks, kept) for name, clips in benches.items()}
            for run in runs
        ]
        through = f"torch, mean over {len(runs)} runs"
        found.append(_matrix(row.name, through, benches, seeds, seen, source.protocol))
    return tuple(found)


def matrix_cells(benches: Mapping[str, BenchClips], seeds: Sequence[Mapping[str, Rows]]) -> tuple[Cell, ...]:
    """Every generator against every one, for each of `POOLINGS`. seeds: what each run makes of each bench.

    Raises DataError where the benches differ in more than what rendered them.
    """
    _same_sides(benches)
    cells = []
    for enrolled in benches:
        for probed in benches:
            sides = [
                trials_of(cross_sides(benches[enrolled], rows[enrolled], benches[probed], rows[probed]))
                for rows in seeds
            ]
            for pooling in POOLINGS:
                trials = [side[pooling] for side in sides]
                area, drawn = over_seeds(trials, pooled_area)
                error = float(np.mean([pooled_equal_error(seed) for seed in trials]))
                cells.append(Cell(enrolled, probed, pooling, area, error, drawn))
    return tuple(cells)


def one_window_areas(cells: Sequence[Cell]) -> dict[str, dict[str, float]]:
    """Areas of one window by enrolled, then by probed generator."""
    areas: dict[str, dict[str, float]] = {}
    for cell in cells:
        if cell.pooling == POOLINGS[0]:
            areas.setdefault(cell.enrolled, {})[cell.probed] = cell.area.value
    return areas


def _matrix(
    name: str,
    through: str,
    benches: Mapping[str, BenchClips],
    seeds: Sequence[Mapping[str, Rows]],
    seen: tuple[str, ...],
    protocol: Protocol,
) -> GeneratorMatrix:
    cells, one = matrix_cells(benches, seeds), next(iter(benches.values()))
    drivers, faces = len(np.unique(one.driver)), len(np.unique(one.face))
    return GeneratorMatrix(name, through, tuple(benches), seen, cells, drivers, faces, protocol)


def _through_engine(
    folder: Path, benches: Mapping[str, BenchClips], kept: Path, threads: int
) -> tuple[str, dict[str, Rows]]:
    engine = load_engine(str(folder), threads=threads)
    embed, spec = through_engine(engine), engine.spec
    rows = {
        name: kept_rows(
            f"{spec.name}_{name}",
            spec.model_sha256.encode(),
            clips.frames,
            kept,
            lambda frames=clips.frames: embed_windows(frames, embed),  # type: ignore[misc]
        )
        for name, clips in benches.items()
    }
    engine.close()
    return f"{spec.name} {spec.version}", rows


def _same_sides(benches: Mapping[str, BenchClips]) -> None:
    first, *others = benches.items()
    for name, clips in others:
        for field in ("driver", "face", "probe"):
            if not np.array_equal(getattr(clips, field), getattr(first[1], field)):
                raise DataError(f"the clips of {name} and {first[0]} differ in {field}; delete both and render again")


def _kind(cell: Cell, seen: tuple[str, ...]) -> str:
    known = (cell.enrolled in seen) + (cell.probed in seen)
    if cell.enrolled == cell.probed:
        return "one, seen" if known else "one, unseen"
    return ("two, both unseen", "two, one of them unseen", "two, both seen")[known]


def _mean(cells: Sequence[Cell]) -> Estimate:
    low, high = np.nanpercentile(np.mean([cell.drawn for cell in cells], axis=0), [2.5, 97.5])
    return Estimate(float(np.mean([cell.area.value for cell in cells])), float(low), float(high))
