"""What person models say about every seat: faces in, statements out. No thread, no process and no clock in here.

Whoever has the models asked takes the probes from here and brings the answers; likewise for learning.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from engines.person_models.faces import FEWEST_FRAMES, PAIRS_A_PROBE
from engines.person_models.folder import PERSON_MODEL, PersonModelManifest
from guard.media.front_end import FaceFrame
from guard.person_models.probes import STEP_SECONDS, FaceEnrolment, Probe, ProbeCollector
from guard.verify.template import Template, WitnessPart, covers_person_model
from guard.verify.witnesses import Statement

_MOST_NOTES = 64

_Key = tuple[str, datetime]
"""Of a template: one that is read from the store again is another object."""


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A probe of somebody, for their model. person: its number; weights: of the model, float32 (W,)."""

    seat: Hashable
    person: int
    weights: NDArray[np.float32]
    probe: Probe


@dataclass(slots=True, eq=False)
class _Seat:
    collector: ProbeCollector = field(default_factory=ProbeCollector)
    template: Template | None = None
    part: WitnessPart | None = None
    person: int = 0
    spoken: Statement | None = None
    trouble: str | None = None
    enrolment: FaceEnrolment | None = None


class PersonPanel:
    """Person models over all seats. One thread at a time calls it."""

    def __init__(self, manifest: PersonModelManifest) -> None:
        self._manifest = manifest
        self._seats: dict[Hashable, _Seat] = {}
        self._persons = 0
        self._why_none: dict[_Key, str] = {}
        """Why a template has no model: how far learning is, or what went wrong; the newest ones."""

    @property
    def persons(self) -> frozenset[int]:
        """Numbers of those who may be asked about."""
        return frozenset(seat.person for seat in self._seats.values() if seat.part is not None)

    def join(self, seat: Hashable) -> None:
        """A participant's video starts."""
        self._seats[seat] = _Seat()

    def leave(self, seat: Hashable) -> None:
        """A participant's video has ended. Harmless where nobody sits."""
        self._seats.pop(seat, None)

    def set_template(self, seat: Hashable, template: Template | None) -> None:
        """Compare a seat with this template from now on, or with nobody."""
        if (found := self._seats.get(seat)) is None:
            return
        found.collector.clear()
        found.template, found.spoken, found.trouble = template, None, None
        self._compare_with(found, None if template is None else template.part(PERSON_MODEL))

    def offer(self, seat: Hashable, face: FaceFrame) -> Question | None:
        """Take the next face of a seat that is evidence; what is to be asked now, if anything."""
        if (found := self._seats.get(seat)) is None:
            return None
        if found.enrolment is not None:
            found.enrolment.add(face)
        if found.part is None:
            return None
        probe = found.collector.add(face)
        return None if probe is None else Question(seat, found.person, found.part.embeddings[0], probe)

    def answer(self, question: Question, llr: float | None, why: str | None = None) -> None:
        """Nats that a question came to; None and a reason where it could not be asked."""
        found = self._seats.get(question.seat)
        if found is None or found.person != question.person:
            return  # Of somebody else, or of another template.
        found.trouble, probe = why, question.probe
        if llr is not None:
            found.spoken = Statement(
                PERSON_MODEL,
                llr,
                None,
                probe.since_seconds,
                probe.until_seconds,
                step_seconds=STEP_SECONDS,
                tracked=False,
            )

    def statement(self, seat: Hashable) -> Statement | None:
        """What is said about a seat; None where nobody sits."""
        found = self._seats.get(seat)
        if found is None:
            return None
        if found.trouble is None and found.spoken is not None:
            return found.spoken
        return Statement(PERSON_MODEL, None, found.trouble or self._silence(found), step_seconds=STEP_SECONDS)

    def template(self, seat: Hashable) -> Template | None:
        """Whom a seat is compared with."""
        found = self._seats.get(seat)
        return None if found is None else found.template

    def begin_enrolment(self, seat: Hashable) -> None:
        """Collect faces to learn from; what was collected before is forgotten."""
        if (found := self._seats.get(seat)) is not None:
            found.enrolment = FaceEnrolment(self._manifest.learning.frames)

    def end_enrolment(self, seat: Hashable) -> tuple[NDArray[np.uint8], ...]:
        """Stretches of faces uint8 (n, 64, 64) since `begin_enrolment`; collecting ends."""
        found = self._seats.get(seat)
        if found is None or found.enrolment is None:
            return ()
        stretches, found.enrolment = found.enrolment.stretches(), None
        return stretches

    def may_learn(self, template: Template, stretches: tuple[NDArray[np.uint8], ...]) -> bool:
        """Whether a model can and may be learnt for a template; where not, seats that use it are told why."""
        count = sum(len(stretch) for stretch in stretches)
        if not covers_person_model(template.consent):
            self.not_learnt(template, "the consent does not cover a model of the person's face")
        elif count < FEWEST_FRAMES:
            self.not_learnt(template, f"{count} of {FEWEST_FRAMES} faces were seen")
        else:
            self.learning(template, 0.0)
            return True
        return False

    def learning(self, template: Template, share: float) -> None:
        """How far it is, 0 to 1."""
        self._note(template, f"the model of this person is being learnt ({share:.0%})")

    def not_learnt(self, template: Template, why: str) -> None:
        """It failed."""
        self._note(template, f"no model of this person was learnt: {why}; enrol again")

    def learnt(self, template: Template, part: WitnessPart) -> None:
        """A template has its model: seats that use it are compared with it from now on."""
        self._why_none.pop(_key(template), None)
        for found in self._seats.values():
            if found.template is not None and _key(found.template) == _key(template):
                self._compare_with(found, part)

    def forget(self, name: str) -> None:
        """Templates of this name are gone."""
        self._why_none = {key: why for key, why in self._why_none.items() if key[0] != name}

    def _note(self, template: Template, why: str) -> None:
        self._why_none.pop(_key(template), None)
        self._why_none[_key(template)] = why
        if len(self._why_none) > _MOST_NOTES:
            del self._why_none[next(iter(self._why_none))]

    def _compare_with(self, found: _Seat, part: WitnessPart | None) -> None:
        shape = (1, self._manifest.weights)
        fits = part is not None and part.model_sha256 == self._manifest.model_sha256 and part.embeddings.shape == shape
        found.part = part if fits else None
        self._persons += 1
        found.person = self._persons

    def _silence(self, found: _Seat) -> str:
        if found.template is None:
            return "no template is assigned to this seat"
        if found.part is not None:
            return f"collecting faces ({found.collector.pairs} of {PAIRS_A_PROBE} pairs)"
        if found.template.part(PERSON_MODEL) is not None:
            return "the template's model began with another general model; enrol again"
        return self._why_none.get(_key(found.template), "the template holds no model of this person; enrol again")


def _key(template: Template) -> _Key:
    return template.name, template.created
