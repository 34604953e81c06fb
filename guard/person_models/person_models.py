"""The guard's side of person models: faces and templates in, statements out.

Whoever offers faces or reads a statement never waits for a worker.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable

from engines.person_models.folder import PersonModelManifest
from guard.config import PersonModelsConfig
from guard.media.front_end import FaceFrame
from guard.person_models.asking import Asking, AskingCosts
from guard.person_models.learning import Learning, Lesson
from guard.person_models.panel import PersonPanel
from guard.person_models.worker_link import WorkerLink
from guard.person_models.worker_thread import MakeLink, Stretches
from guard.verify.template import Template, WitnessPart
from guard.verify.witnesses import Opinion


class PersonModels:
    """Person models of all seats. `start` it, and `stop` it in the end; any thread may call the rest."""

    def __init__(
        self, config: PersonModelsConfig, manifest: PersonModelManifest, make_link: MakeLink | None = None
    ) -> None:
        """manifest: of the configured folder. make_link: starts a worker, if not a real one."""
        self._changed = threading.Condition()
        """Guards the panel, and what waits to be asked or learnt."""
        self._panel = PersonPanel(manifest)
        make = make_link or (lambda: WorkerLink(config, manifest.model_sha256))
        self._asking = Asking(self._panel, make, self._changed)
        self._learning = Learning(self._panel, manifest, make, self._changed)

    @property
    def costs(self) -> AskingCosts:
        """Of asking, so far."""
        with self._changed:
            return self._asking.costs

    def start(self) -> None:
        """Begin; workers start when there is something for them to do."""
        self._asking.start()
        self._learning.start()

    def stop(self) -> None:
        """End the workers and the threads; what is being learnt is lost."""
        self._asking.stop()
        self._learning.stop()

    def join(self, seat: Hashable) -> None:
        """See `PersonPanel.join`."""
        with self._changed:
            self._panel.join(seat)

    def leave(self, seat: Hashable) -> None:
        """See `PersonPanel.leave`."""
        with self._changed:
            self._panel.leave(seat)
            self._asking.drop(seat)

    def set_template(self, seat: Hashable, template: Template | None) -> None:
        """See `PersonPanel.set_template`."""
        with self._changed:
            self._panel.set_template(seat, template)
            self._asking.drop(seat)

    def offer(self, seat: Hashable, face: FaceFrame) -> None:
        """See `PersonPanel.offer`."""
        with self._changed:
            question = self._panel.offer(seat, face)
            if question is not None:
                self._asking.put(question)

    def beside(self, seat: Hashable, opinion: Opinion | None) -> Opinion | None:
        """What witnesses say about a seat, and what person models say of the same template."""
        with self._changed:
            statement, template = self._panel.statement(seat), self._panel.template(seat)
        if statement is None:
            return opinion
        if opinion is None:
            return Opinion(template, (statement,))
        if opinion.template is not template:
            return opinion
        return Opinion(template, (*opinion.statements, statement), opinion.trouble)

    def begin_enrolment(self, seat: Hashable) -> None:
        """See `PersonPanel.begin_enrolment`."""
        with self._changed:
            self._panel.begin_enrolment(seat)

    def end_enrolment(self, seat: Hashable) -> Stretches:
        """See `PersonPanel.end_enrolment`."""
        with self._changed:
            return self._panel.end_enrolment(seat)

    def learn(self, template: Template, stretches: Stretches, learnt: Callable[[Template, WitnessPart], None]) -> None:
        """Have the model of a template learnt in the background. learnt: gets it, on a thread of its own."""
        with self._changed:
            self._learning.put(Lesson(template, stretches, learnt))

    def forget(self, name: str) -> None:
        """A template was erased or is about to be replaced: its model is not learnt any further."""
        with self._changed:
            self._learning.drop(name)
            self._panel.forget(name)

    def learnt(self, template: Template, part: WitnessPart) -> None:
        """See `PersonPanel.learnt`."""
        with self._changed:
            self._panel.learnt(template, part)

    def not_kept(self, template: Template, why: str) -> None:
        """A model was learnt and could not be stored."""
        with self._changed:
            self._panel.not_learnt(template, why)
