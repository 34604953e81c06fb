"""Every row on every split: trained once, what it says of the probes kept, so that a run that was ended goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from training.data.recipe import RECIPE, claim, refuse_foreign
from training.errors import DataError
from training.expression_dynamics.measures import (
    ClosedFigures,
    OpenFigures,
    closed_figures,
    mean_tally,
    open_figures,
)
from training.expression_dynamics.protocols import (
    ClosedTally,
    Split,
    closed_split,
    closed_tally,
    open_splits,
    open_trials,
)
from training.expression_dynamics.recordings import Recording
from training.expression_dynamics.rows import FusedRow, Row
from training.metrics import Trials

_OUTPUTS = "outputs"


@dataclass(frozen=True, slots=True)
class Protocol:
    """frames: rows of a window. draws: of `held_out` people who are verified and not trained on."""

    frames: int = 100
    draws: int = 5
    held_out: int = 20


@dataclass(frozen=True, slots=True)
class RowResult:
    """tally: of people in the closed set, mean over seeds. seeds: trainings behind the figures. open: None for a row
    that was asked the first question alone. trials: of every draw and seed, behind `open`; people: how many these
    number."""

    name: str
    seeds: int
    closed: ClosedFigures
    open: OpenFigures | None
    tally: ClosedTally
    trials: tuple[Trials, ...]
    people: int


@dataclass(frozen=True, slots=True)
class Said:
    """What a trained row says of a split: of each probe window the logits (n, P), or embeddings of both sides."""

    probe: NDArray[np.float64]
    enrol: NDArray[np.float64]


class Study:
    """Rows on the splits of recordings, which are there by the channels that rows read.

    Raises DataError for a folder that holds something else, or what was made otherwise.
    """

    def __init__(
        self, recordings: Mapping[str, Sequence[Recording]], protocol: Protocol, recipe: Mapping[str, object], out: Path
    ) -> None:
        self._splits = {
            channels: (
                closed_split(found, protocol.frames),
                *open_splits(found, protocol.frames, protocol.draws, protocol.held_out),
            )
            for channels, found in recordings.items()
        }
        refuse_foreign(out, out / RECIPE)
        claim(out / RECIPE, recipe, kept=(out / RECIPE).exists())
        self._out = out / _OUTPUTS
        self._out.mkdir(exist_ok=True)

    def closed(self, channels: str) -> Split:
        """The split in which everybody is known."""
        return self._splits[channels][0]

    def trainings(self, rows: Sequence[Row]) -> int:
        """How many `train` goes through, those that are kept included."""
        return sum(len(self._asked(row)) * row.seeds for row in rows)

    def train(self, rows: Sequence[Row], done: Callable[[], None] = lambda: None) -> None:
        """Train what is not kept yet; `done` is called after each training."""
        for row in rows:
            for seed in range(row.seeds):
                for split in self._asked(row):
                    self._said(row, split, seed)
                    done()

    def result(self, row: Row) -> RowResult:
        """Of a row, trained where that is missing."""
        says = [[self._said(row, split, seed) for split in self._asked(row)] for seed in range(row.seeds)]
        return self._result(row.name, row.channels, says)

    def fused(self, row: FusedRow, rows: Sequence[Row]) -> RowResult:
        """Of several rows as one; a row that is trained with fewer seeds stands in with its first ones again."""
        parts = [(one, row.parts[one.name]) for one in rows if one.name in row.parts]
        channels = parts[0][0].channels
        says = [
            [
                _fused([(self._said(one, split, seed % one.seeds), weight) for one, weight in parts])
                for split in self._asked(parts[0][0])
            ]
            for seed in range(max(one.seeds for one, _ in parts))
        ]
        return self._result(row.name, channels, says)

    def _result(self, name: str, channels: str, says: Sequence[Sequence[Said]]) -> RowResult:
        closed, *draws = self._splits[channels]
        tally = mean_tally([closed_tally(of_seed[0].probe, closed) for of_seed in says])
        people = sorted({person for split in draws for person in split.asked})
        numbers = {person: number for number, person in enumerate(people)}
        trials: list[Trials] = [
            open_trials(said.enrol, said.probe, split, numbers)
            for of_seed in says
            for said, split in zip(of_seed[1:], draws, strict=False)
        ]
        verified = open_figures(trials, len(people)) if trials else None
        return RowResult(name, len(says), closed_figures(tally), verified, tally, tuple(trials), len(people))

    def _asked(self, row: Row) -> tuple[Split, ...]:
        splits = self._splits[row.channels]
        return splits if row.verified else splits[:1]

    def _said(self, row: Row, split: Split, seed: int) -> Said:
        path = self._out / f"{_file_name(row.name)}_{split.name}_{seed}.npz"
        if path.exists():
            return _load(path)
        trained = row.train(split.train, seed)
        if split.enrol is None:
            said = Said(trained.logits(split.probe.values), np.empty((0, 0)))
        else:
            said = Said(trained.embed(split.probe.values), trained.embed(split.enrol.values))
        part = path.with_suffix(f".part{seed}.npz")
        np.savez(part, probe=said.probe, enrol=said.enrol)
        part.replace(path)
        return said


def _fused(parts: Sequence[tuple[Said, float]]) -> Said:
    said = [one for one, _ in parts]
    if not said[0].enrol.size:
        return Said(np.sum([one.probe * weight for one, weight in parts], axis=0), np.empty((0, 0)))
    scaled = [(one.probe * weight**0.5, one.enrol * weight**0.5) for one, weight in parts]
    return Said(*(np.concatenate([pair[side] for pair in scaled], axis=1) for side in (0, 1)))


def _load(path: Path) -> Said:
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            return Said(arrays["probe"], arrays["enrol"])
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise DataError(f"{path} holds no outputs of a row ({error}); delete it and run again") from error


def _file_name(row: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in row.lower())
