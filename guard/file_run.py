"""Files through the same pipeline as calls, with the file's media time for a clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from guard.calls.file import FileSource
from guard.calls.source import LatestFrames
from guard.config import GuardConfig
from guard.errors import NoFaceError
from guard.expressions.every_frame import EveryFrame
from guard.outcomes import Judged, Outcome
from guard.pipeline import Pipeline
from guard.runtime import front_end_factory, make_engine, make_witnesses
from guard.seat_key import SeatKey
from guard.verify.witness_set import WitnessSet
from guard.verify.witnesses import WitnessPanel

_BETWEEN_FILES_SECONDS = 2.0
"""Long enough for the pipeline to start a new window with each file."""
FILE_SEAT = SeatKey("file", "file")
"""Whom the pipeline sees in files."""


class FileRun:
    """Runs files one after the other through one seat of a pipeline."""

    def __init__(self, config: GuardConfig) -> None:
        """Waits for the tracker of expressions where they are on; without it the engine goes on alone.

        Raises EngineError where the configured engine or a witness cannot be loaded.
        """
        self._now = 0.0
        self._faces = 0
        one_seat = config.calls.model_copy(update={"max_participants": 1})
        engine = make_engine(config.engine)
        self.pipeline = Pipeline(
            engine,
            config.model_copy(update={"calls": one_seat}),
            front_end_factory(config.verify),
            clock=lambda: self._now,
        )
        self.panel = self._listen_to(make_witnesses(config, engine.spec), config)
        self._frames = LatestFrames(1)
        self.seat = self.pipeline.add(FILE_SEAT, self._frames, 0.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._tracker is not None:
            self._tracker.close()
        self.pipeline.engine.close()

    def _listen_to(self, witnesses: WitnessSet | None, config: GuardConfig) -> WitnessPanel | None:
        self._tracker = None
        if witnesses is None:
            return None
        self._tracker = tracker = EveryFrame(config.expressions)
        panel = WitnessPanel(witnesses.witnesses, lambda: tracker.status.reason)
        self.pipeline.expressions, self.pipeline.fusion = tracker, witnesses.fusion
        self.pipeline.watch = self.pipeline.witnesses = panel
        return panel

    @property
    def tracker_trouble(self) -> str | None:
        """Why witnesses hear nothing; None while they do, or where none was asked for."""
        return None if self._tracker is None else self._tracker.status.reason

    @property
    def seconds(self) -> float:
        """Media time so far, over all files."""
        return self._now

    def outcomes(self, path: Path) -> Iterator[Outcome]:
        """What the pipeline says while it takes the file in. Raises NoVideoError, NoFaceError."""
        start = self._now + _BETWEEN_FILES_SECONDS if self._now > 0 else 0.0
        found = False
        for frame in FileSource(path):
            self._now = max(self._now, start + frame.pts_seconds)
            self._frames.push(replace(frame, arrival_seconds=self._now))
            for outcome in self.pipeline.tick():
                found = found or (isinstance(outcome, Judged) and outcome.stages is not None)
                yield outcome
            self.pipeline.settle()
        if not found:
            raise NoFaceError(f"no face can be followed in {path}; show one face, larger than a sixth of the height")
