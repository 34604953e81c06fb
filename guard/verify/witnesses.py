"""What the witnesses say about every seat: samples of a tracker in, log-likelihood ratios out.

No thread and no clock in here. Whatever goes wrong with one witness of one seat is a reason that it gives; the others,
and the engine, go on.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engines.errors import EngineError
from engines.witnesses.explanation import Explanation
from engines.witnesses.protocol import Witness, WitnessSpec
from guard.one_line import one_line
from guard.verify.comparison import TemplateComparison
from guard.verify.movements import Movement, distinct_movements
from guard.verify.template import Template
from guard.verify.witness_enrolment import CollectedParts, PartEnrolment
from guard.verify.witness_windows import WindowCollector

_HOP_SECONDS = 1.0
"""From one window that is compared to the next."""

_MOST_CHARACTERS = 160

_RECENT_WINDOWS = 30
"""Over so many newest windows movements are counted: half a minute, since one window holds too few of them."""


class Sample(Protocol):
    """What a tracker read off one face frame."""

    @property
    def seconds(self) -> float:
        """Media time."""

    @property
    def blendshapes(self) -> NDArray[np.float32]:
        """float32 (52,)."""

    @property
    def signals(self) -> NDArray[np.float32]:
        """float32 (17,)."""

    @property
    def found(self) -> bool:
        """False where there was no face; the numbers then mean nothing."""


class SecondOpinions(Protocol):
    """Who is asked for opinions on the seats of a pipeline: the panel itself, or a thread around it.

    It hears of seats and samples as the pipeline's `watch` (`guard.expressions.sample.ExpressionWatch`).
    """

    def set_template(self, seat: Hashable, template: Template | None) -> None:
        """Compare a seat with this template from now on, or with nobody."""

    def opinion(self, seat: Hashable) -> Opinion | None:
        """What was said about a seat last; None where nobody sits."""


@dataclass(frozen=True, slots=True)
class LoadedWitness:
    """A witness, and what its embedding's entries mean where it can tell."""

    witness: Witness
    explanation: Explanation | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """What one witness says about one seat."""

    name: str
    llr: float | None
    """Nats, of its newest window; positive speaks for the enrolled driver."""
    why: str | None
    """Why it says nothing, for people; None where it speaks."""
    since_seconds: float | None = None
    """When its newest window began, on the clock of `WitnessPanel.observe`."""
    heard_seconds: float | None = None
    """When its newest window ended, on the same clock."""
    movements: tuple[Movement, ...] = ()
    waits: bool = False
    """True where it says nothing because it waits for samples of the tracker."""
    step_seconds: float = 1.0
    """From one window to the next."""
    tracked: bool = True
    """Whether it hears samples of the tracker, whose trouble is then its own."""


@dataclass(frozen=True, slots=True, eq=False)
class Opinion:
    """What all witnesses say about one seat, compared with this template."""

    template: Template | None
    statements: tuple[Statement, ...]
    trouble: str | None = None
    """Why the tracker gives no samples, for people; None while it should."""


class _SeatWitness:
    """One witness of one seat."""

    def __init__(self, loaded: LoadedWitness) -> None:
        self._loaded = loaded
        spec = self.spec
        self._collector = WindowCollector(spec.rate_hz, spec.window_frames, _HOP_SECONDS)
        self._recent: deque[NDArray[np.float32]] = deque(maxlen=_RECENT_WINDOWS)
        self._template: NDArray[np.float32] | None = None
        self._comparison: TemplateComparison | None = None
        self._silence: str | None = "no template is assigned to this seat"
        self._trouble: str | None = None
        self._spoken: Statement | None = None
        self.enrolment: PartEnrolment | None = None

    @property
    def spec(self) -> WitnessSpec:
        return self._loaded.witness.spec

    def compare_with(self, template: Template | None) -> None:
        """Start anew with this template: nothing seen so far speaks for it."""
        part = None if template is None else template.part(self.spec.name)
        self._collector.clear()
        self._recent.clear()
        self._template, self._comparison, self._spoken = None, None, None
        self._silence = _silence(template, self.spec)
        if part is not None and self._silence is None:
            try:
                self._comparison = TemplateComparison(part.mean, self.spec.calibration)
            except EngineError as error:
                self._silence = f"its part of the template cannot be compared with ({error}); enrol again"
                return
            self._template = part.embeddings

    def observe(self, sample: Sample, now: float) -> None:
        row = None
        if sample.found:
            row = sample.signals if self.spec.reads == "signals" else sample.blendshapes
        if self.enrolment is not None:
            self._embed(self.enrolment.add(sample.seconds, row), self.enrolment.keep)
        window = self._collector.add(sample.seconds, row)
        if self._comparison is not None and window is not None:
            self._spoken = None
            self._embed(window, lambda embedding: self._compare(embedding, now))

    def statement(self) -> Statement:
        if self._spoken is not None:
            return self._spoken
        if (why := self._silence or self._trouble) is not None:
            return Statement(self.spec.name, None, why)
        why = f"collecting video ({self._collector.progress:.0%} of a window)"
        return Statement(self.spec.name, None, why, waits=True)

    def _embed(self, window: NDArray[np.float32] | None, use: _Use) -> None:
        if window is None:
            return
        try:
            use(self._loaded.witness.embed(window[None])[0])
            self._trouble = None
        except EngineError as error:
            self._trouble = f"it failed: {one_line(str(error), _MOST_CHARACTERS)}"

    def _compare(self, embedding: NDArray[np.float32], now: float) -> None:
        if self._comparison is None or self._template is None:
            return
        llr = self._comparison.compare(embedding).llr
        if not np.isfinite(llr):
            self._trouble = "it failed: its comparison gives no number"
            return
        self._recent.append(embedding)
        explanation = self._loaded.explanation
        movements: tuple[Movement, ...] = ()
        if explanation is not None:
            movements = distinct_movements(self.spec.name, self._template, self._recent, explanation)
        self._spoken = Statement(self.spec.name, llr, None, now - self.spec.window_seconds, now, movements)


class _Use(Protocol):
    def __call__(self, embedding: NDArray[np.float32], /) -> None: ...


class _Seat:
    def __init__(self, witnesses: Sequence[LoadedWitness]) -> None:
        self.witnesses = [_SeatWitness(loaded) for loaded in witnesses]
        self.template: Template | None = None


class WitnessPanel:
    """All witnesses over all seats. One thread at a time calls it.

    `now` is the time of a call on the clock that the verdicts go by.
    """

    def __init__(
        self, witnesses: Sequence[LoadedWitness], tracker_trouble: Callable[[], str | None] = lambda: None
    ) -> None:
        """tracker_trouble: why no samples come, None while they should."""
        self._witnesses = tuple(witnesses)
        self.tracker_trouble = tracker_trouble
        self._seats: dict[Hashable, _Seat] = {}
        self.cpu_seconds = {loaded.witness.spec.name: 0.0 for loaded in self._witnesses}
        """CPU of the calling thread that went into samples since the start, by witness."""

    @property
    def specs(self) -> tuple[WitnessSpec, ...]:
        return tuple(loaded.witness.spec for loaded in self._witnesses)

    def join(self, seat: Hashable) -> None:
        """A participant's video starts; whoever had this seat before is forgotten."""
        self._seats[seat] = _Seat(self._witnesses)

    def leave(self, seat: Hashable) -> None:
        """A participant's video has ended. Harmless where nobody sits."""
        self._seats.pop(seat, None)

    def set_template(self, seat: Hashable, template: Template | None) -> None:
        """Compare a seat with this template from now on, or with nobody."""
        if (found := self._seats.get(seat)) is None:
            return
        found.template = template
        for each in found.witnesses:
            each.compare_with(template)

    def observe(self, seat: Hashable, sample: Sample, now: float) -> None:
        """Take the next sample of a seat; those of a seat that nobody has are passed over."""
        if (found := self._seats.get(seat)) is None:
            return
        for each in found.witnesses:
            started = time.thread_time()
            each.observe(sample, now)
            self.cpu_seconds[each.spec.name] += time.thread_time() - started

    def opinion(self, seat: Hashable) -> Opinion | None:
        """What is said about a seat; None where nobody sits."""
        found = self._seats.get(seat)
        if found is None:
            return None
        statements = tuple(each.statement() for each in found.witnesses)
        return Opinion(found.template, statements, self.tracker_trouble())

    def begin_enrolment(self, seat: Hashable) -> None:
        """Collect parts of a template from now on; what was collected before is forgotten."""
        for each in self._witnesses_of(seat):
            each.enrolment = PartEnrolment(each.spec)

    def end_enrolment(self, seat: Hashable) -> CollectedParts:
        """What was collected since `begin_enrolment`, and why a witness has no part in it; collecting ends."""
        witnesses = self._witnesses_of(seat)
        collected = CollectedParts.of([each.enrolment for each in witnesses if each.enrolment is not None])
        for each in witnesses:
            each.enrolment = None
        trouble = self.tracker_trouble()
        if trouble is not None and not collected.parts and collected.missing:
            return CollectedParts(missing=(f"no witness has a part in it: {trouble}",))
        return collected

    def _witnesses_of(self, seat: Hashable) -> list[_SeatWitness]:
        found = self._seats.get(seat)
        return [] if found is None else found.witnesses


def _silence(template: Template | None, spec: WitnessSpec) -> str | None:
    """Why a witness cannot compare with this template; None where it can."""
    if template is None:
        return "no template is assigned to this seat"
    part = template.part(spec.name)
    if part is None:
        return "the template holds nothing for it; enrol again with expressions on"
    if part.model_sha256 != spec.model_sha256 or part.embeddings.shape[1] != spec.embedding_size:
        return "the template was made by another version of it; enrol again"
    return None
