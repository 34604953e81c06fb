"""`guard-train expressions study` from end to end: recordings in, a results page out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from training.errors import DataError
from training.expression_dynamics.coefficient_files import COMMON_HZ, FLAME_WIDTH, load_folder
from training.expression_dynamics.drift_to_noise import FEWEST_PEOPLE, correlation, drift_to_noise
from training.expression_dynamics.page import Drift, Page, write_page
from training.expression_dynamics.protocols import Split
from training.expression_dynamics.recordings import REACT_NAO_HZ, Recording, load_react_nao
from training.expression_dynamics.rows import CONFORMER, REFERENCE_ROW, FusedRow, Row, Size, compared_rows
from training.expression_dynamics.study import Protocol, RowResult, Study

_REACT_NAO = Path("expressions") / "react_nao.npz"


@dataclass(frozen=True, slots=True)
class Source:
    """Where recordings come from: a data folder with expressions/react_nao.npz, or a folder of coefficient files of
    `width` numbers a row."""

    data: Path | None
    coefficients: Path | None
    width: int = FLAME_WIDTH

    def load(self) -> tuple[Mapping[str, Sequence[Recording]], float]:
        """Recordings by channels, and rows per second. Raises DataError unless one of the two is named."""
        if (self.data is None) == (self.coefficients is None):
            raise DataError("say either --data, a folder with expressions/react_nao.npz, or --coefficients")
        if self.coefficients is not None:
            return {"signals": load_folder(self.coefficients, self.width)}, COMMON_HZ
        assert self.data is not None  # noqa: S101  # for the type checker; either is there
        file = self.data / _REACT_NAO
        return {"signals": load_react_nao(file, "signals"), "action_units": load_react_nao(file, "action_units")}, (
            REACT_NAO_HZ
        )


@dataclass(frozen=True, slots=True)
class Run:
    """A study that is set up. rows: those to train now."""

    study: Study
    rows: tuple[Row, ...]
    fused: tuple[FusedRow, ...]
    all_rows: tuple[Row, ...]
    heading: str

    @property
    def trainings(self) -> int:
        return self.study.trainings(self.rows)


def set_up(source: Source, size: Size, protocol: Protocol, out: Path, only: Sequence[str]) -> Run:
    """Read recordings and claim the folder. only: names of rows to train, empty for all.

    Raises DataError for an unknown row and for what cannot be read.
    """
    found, rate = source.load()
    rows, fused = compared_rows(size, units="action_units" in found)
    unknown = [name for name in only if name not in {row.name for row in rows}]
    if unknown:
        raise DataError(f"no row {unknown[0]!r}; there are: {', '.join(row.name for row in rows)}")
    recipe = {"source": asdict(source), "size": asdict(size), "protocol": asdict(protocol)}
    study = Study(found, protocol, recipe, out)
    chosen = tuple(row for row in rows if not only or row.name in only)
    seconds = protocol.frames / rate
    heading = (
        f"{sum(map(len, found.values())) // len(found)} recordings of "
        f"{len({one.person for one in found['signals']})} people; windows of {protocol.frames} rows "
        f"(about {seconds:.0f} s), {protocol.draws} draws of {protocol.held_out} unseen people; "
        f"encoders {size.steps} steps."
    )
    return Run(study, chosen, fused, rows, heading)


def run_study(run: Run, out: Path, threads: int, done: Callable[[], None] = lambda: None) -> Page | None:
    """Train; and write the page, unless only some of the rows were asked for."""
    torch.set_num_threads(threads)
    run.study.train(run.rows, done)
    if len(run.rows) < len(run.all_rows):
        return None
    results = [run.study.result(row) for row in run.rows]
    results += [run.study.fused(row, run.rows) for row in run.fused]
    names = [*(row.name for row in run.fused), CONFORMER, REFERENCE_ROW]
    drifts = _drifts(run.study.closed("signals"), [one for one in results if one.name in names])
    page = Page(results, drifts, REFERENCE_ROW, run.heading)
    write_page(page, out)
    return page


def _drifts(closed: Split, results: Sequence[RowResult]) -> list[Drift]:
    """Over the people of the closed set; none where recordings hold no shape, or people are too few."""
    if closed.train[0][0].shape.shape[1] == 0 or len(closed.asked) < FEWEST_PEOPLE:
        return []
    shapes = [[one.shape for one in own] for own in closed.recordings()]
    found = []
    for kind, from_last in (("last recording to the others", True), ("all pairs of recordings", False)):
        ratio = np.array([drift_to_noise(own, from_last=from_last) for own in shapes])
        accuracy = {one.name: one.tally.first / one.tally.windows for one in results}
        differing = {name: own for name, own in accuracy.items() if np.ptp(own) > 0}  # not where all are known always
        found.append(Drift(kind, ratio, {name: correlation(ratio, own) for name, own in differing.items()}))
    return found
