"""Everything that long recordings of calls can tell, gathered driver by driver while each is rendered once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engines.protocol import Engine
from training.data.calls import FPS, Recording
from training.embedding import through_engine
from training.evaluate import (
    CallSides,
    DriverEmbeddings,
    accuracy,
    cosine,
    cut_windows,
    embed_windows,
    pooled,
    window_trials,
)
from training.evaluation.alerts import AlertRule
from training.evaluation.evidence_length import (
    EVIDENCE_SECONDS,
    LONGER_WINDOWS,
    SHORTER_WINDOWS,
    LengthResult,
    evidence_result,
    joined_windows,
    middle,
)
from training.evaluation.robustness import ConditionResult, conditions, measure_conditions
from training.evaluation.streams import DriverStream, stream_clip
from training.evaluation.swaps import SwapStudy, TimeToDetect, study_swaps, time_to_detect
from training.metrics import Trials

PER_HOUR = (1.0, 6.0)
_ROUNDS = 500
_WINDOWS_EACH = 4
"""Of each side, for lengths below the engine's window, which have to be computed anew."""


@dataclass(frozen=True, slots=True)
class CallStudy:
    """What calls tell beyond one figure.

    windows: one window against one window, by length. evidence: a template against stretches of a call, by length.
    detection: at some rates of false alarms as far as thresholds keep them, then at the guard's own threshold. swaps:
    what they were read from. conditions: one window against a template, by quality of the call.
    """

    windows: tuple[LengthResult, ...]
    evidence: tuple[LengthResult, ...]
    detection: tuple[TimeToDetect, ...]
    swaps: SwapStudy
    conditions: tuple[ConditionResult, ...]


@dataclass(slots=True)
class CallGatherer:
    """Takes in one driver after the other; `study` then tells. The recordings themselves are not kept."""

    engine: Engine
    streams: list[DriverStream] = field(default_factory=list)
    by_window: dict[int, list[DriverEmbeddings]] = field(default_factory=dict)

    def add(self, sides: CallSides, enrolled: DriverEmbeddings) -> None:
        """One driver's recordings, and the embeddings of the windows that enrol."""
        frames = self.engine.spec.window_frames
        embeddings, valid = stream_clip(self.engine, sides.probe)
        opening, ending = sides.probe[:frames].copy(), sides.probe[-frames:].copy()
        template = pooled(enrolled.enrol)[0]
        self.streams.append(
            DriverStream(sides.driver, sides.face, float(FPS), template, embeddings, valid, opening, ending)
        )
        whole = DriverEmbeddings(sides.driver, sides.face, enrolled.enrol, embeddings[frames - 1 :: frames])
        self.by_window.setdefault(frames, []).append(whole)
        embed = through_engine(self.engine)
        windows = [_spread(cut_windows(clip, frames)) for clip in (sides.enrol, sides.probe)]
        for length in SHORTER_WINDOWS:
            if length < frames:
                rows = (embed_windows(middle(part, length), embed) for part in windows)
                self.by_window.setdefault(length, []).append(DriverEmbeddings(sides.driver, sides.face, *rows))

    def study(self, recordings: Sequence[Recording], processes: int) -> CallStudy:
        """Measure. recordings: to be heard again in worse calls, one for each of the first drivers."""
        swaps = study_swaps(self.engine, self.streams)
        told = [*(time_to_detect(swaps, rate) for rate in PER_HOUR), time_to_detect(swaps, None, AlertRule().enter)]
        heard = measure_conditions(self.engine, self.streams[: len(recordings)], recordings, conditions(), processes)
        return CallStudy(
            tuple(self._window_lengths()),
            tuple(self._evidence_lengths()),
            tuple(one for one in told if one is not None),
            swaps,
            tuple(heard),
        )

    def _window_lengths(self) -> Iterator[LengthResult]:
        frames = self.engine.spec.window_frames
        for length in sorted(self.by_window):
            yield _length_result(length, window_trials(self.by_window[length], cosine))
        for count in LONGER_WINDOWS:
            rows = joined_windows(self.by_window[frames], count)
            yield _length_result(count * frames, window_trials(rows, cosine))

    def _evidence_lengths(self) -> Iterator[LengthResult]:
        longest = min(len(stream.embeddings) for stream in self.streams) / FPS
        for seconds in EVIDENCE_SECONDS:
            if self.engine.spec.window_frames / FPS <= seconds <= longest:
                yield evidence_result(self.streams, self.engine.spec, seconds, _ROUNDS)


def _spread(windows: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A few windows (n, T, 128, 128), evenly over all there are."""
    some: NDArray[np.uint8] = windows[np.unique(np.linspace(0, len(windows) - 1, _WINDOWS_EACH).round().astype(int))]
    return some


def _length_result(frames: int, trials: Trials) -> LengthResult:
    return LengthResult(frames / FPS, frames, accuracy(trials, _ROUNDS))
