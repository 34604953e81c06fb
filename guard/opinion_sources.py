"""Where second opinions come from: the tracker of expressions, the witnesses that hear it, and person models.

They start, end and take part in enrolments together; what they say the pipeline hears from each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from guard.config import GuardConfig
from guard.expressions.front_end import ExpressionFrontEnd
from guard.person_models.person_models import PersonModels
from guard.person_models.worker_thread import Stretches
from guard.pipeline import Pipeline
from guard.seat_key import SeatKey
from guard.verify.enrolment import Enrolment
from guard.verify.fusion import Fusion
from guard.verify.template import Template, WitnessPart, covers_person_model
from guard.verify.witness_set import WitnessSet
from guard.verify.witnesses import WitnessPanel
from guard.witness_thread import WitnessThread


class OpinionSources:
    """Those that are on. `start` them, and `stop` them in the end."""

    def __init__(self, config: GuardConfig, found: WitnessSet | None, person_models: PersonModels | None) -> None:
        """found: witnesses; None where expressions are not tracked. person_models: None where they are off."""
        seats = config.calls.max_participants
        self.expressions = ExpressionFrontEnd(config.expressions, seats) if config.expressions.enabled else None
        self.witnesses = None if found is None else self._listening(found)
        self.person_models = person_models
        self.pictures: Mapping[str, Mapping[str, bytes]] = {} if found is None else found.pictures
        """PNG files of movements, by witness and by name."""
        self._fusion = Fusion(None, {}) if found is None else found.fusion

    def attach(self, pipeline: Pipeline) -> None:
        """Let a pipeline, which has no seats yet, feed and hear them."""
        if self.expressions is not None:
            pipeline.expressions = self.expressions
        if self.witnesses is not None:
            pipeline.watch = pipeline.witnesses = self.witnesses
        if self.person_models is not None:
            pipeline.person_models = self.person_models
        if self.witnesses is not None or self.person_models is not None:
            pipeline.fusion = self._fusion

    def start(self) -> None:
        """Begin."""
        for source in (self.witnesses, self.expressions, self.person_models):
            if source is not None:
                source.start()

    def stop(self) -> None:
        """Wait until all have ended."""
        for source in (self.expressions, self.witnesses, self.person_models):
            if source is not None:
                source.stop()

    def collect(self, seat: SeatKey, enrolment: Enrolment | None) -> None:
        """Begin to collect what they take from an enrolment; None: it is over, and what was collected goes."""
        if self.witnesses is not None:
            (self.witnesses.cancel_enrolment if enrolment is None else self.witnesses.begin_enrolment)(seat)
        if self.person_models is not None:
            agreed = enrolment is not None and covers_person_model(enrolment.consent)
            (self.person_models.begin_enrolment if agreed else self.person_models.end_enrolment)(seat)

    def collected_faces(self, seat: SeatKey) -> Stretches:
        """What a model of the person may be learnt from; collecting ends."""
        return () if self.person_models is None else self.person_models.end_enrolment(seat)

    def with_parts(self, seat: SeatKey, template: Template) -> tuple[Template, str]:
        """A template with what witnesses took from its enrolment, and why one has no part in it; empty where all have.

        Collecting ends. Blocks for what is on its way to them.
        """
        if self.witnesses is None:
            return template, ""
        collected = self.witnesses.end_enrolment(seat)
        return replace(template, parts=collected.parts), "; ".join(collected.missing)

    def forget(self, name: str) -> None:
        """Templates of this name are erased or about to be replaced."""
        if self.person_models is not None:
            self.person_models.forget(name)

    def learn(self, template: Template, faces: Stretches, learnt: Callable[[Template, WitnessPart], None]) -> None:
        """Have a model of the person learnt in the background. learnt: gets it, on a thread of its own."""
        if self.person_models is not None:
            self.person_models.learn(template, faces, learnt)

    def learnt(self, template: Template, part: WitnessPart) -> None:
        """The model is kept with its template."""
        if self.person_models is not None:
            self.person_models.learnt(template, part)

    def not_kept(self, template: Template, why: str) -> None:
        """It was learnt and could not be stored."""
        if self.person_models is not None:
            self.person_models.not_kept(template, why)

    def _listening(self, found: WitnessSet) -> WitnessThread:
        tracker = self.expressions
        panel = WitnessPanel(found.witnesses, lambda: None if tracker is None else tracker.status.reason)
        return WitnessThread(panel)
