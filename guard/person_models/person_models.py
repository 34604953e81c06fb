"""The guard's side of person models: threads that have them learnt and asked in workers, and statements to read.

Whoever offers faces or reads a statement never waits. One worker is asked, and stays; another learns, one template
after the other, and is there only for that.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from random import SystemRandom
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engines.person_models.folder import PERSON_MODEL, PersonModelManifest
from engines.person_models.messages import Kind, Message
from guard.calls.backoff import Backoff, BackoffPolicy
from guard.config import PersonModelsConfig
from guard.errors import PersonModelError
from guard.media.front_end import FaceFrame
from guard.person_models.panel import PersonPanel, Question
from guard.person_models.worker_link import WorkerLink
from guard.verify.template import Template, WitnessPart
from guard.verify.witnesses import Opinion

logger = logging.getLogger(__name__)

_BRAKE = BackoffPolicy(first_seconds=1.0, longest_seconds=60.0, stable_seconds=30.0)
_MOST_LEARNING = 32
"""Templates whose models may wait to be learnt."""

Stretches = tuple[NDArray[np.uint8], ...]
Learnt = Callable[[Template, WitnessPart], None]


class Link(Protocol):
    """A worker, as far as these threads need it; `WorkerLink` is one."""

    def wait_ready(self) -> str: ...

    def know(self, person: int, weights: NDArray[np.float32]) -> None: ...

    def forget(self, persons: frozenset[int]) -> None: ...

    def judge(self, person: int, faces: NDArray[np.uint8]) -> Message: ...

    def learn(self, stretches: Stretches, progress: Callable[[float], None]) -> NDArray[np.float32]: ...

    def kill(self) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class AskingCosts:
    """Since the start: probes that were judged, and the worker's CPU seconds for them."""

    probes: int = 0
    cpu_seconds: float = 0.0


class PersonModels:
    """Person models of all seats. `start` it, and `stop` it in the end; any thread may call the rest."""

    def __init__(
        self,
        config: PersonModelsConfig,
        manifest: PersonModelManifest,
        make_link: Callable[[PersonModelsConfig], Link] = WorkerLink,
    ) -> None:
        self._config, self._manifest, self._make_link = config, manifest, make_link
        self._panel = PersonPanel(manifest)
        self._questions: dict[Hashable, Question] = {}
        """The newest of each seat that waits."""
        self._lessons: deque[tuple[Template, Stretches, Learnt]] = deque()
        self._costs = AskingCosts()
        self._links: set[Link] = set()
        self._stopping = False
        self._changed = threading.Condition()
        """Guards everything above."""
        self._threads = [
            threading.Thread(target=run, name=f"guard-person-{name}", daemon=True)
            for name, run in (("asking", self._ask), ("learning", self._learn))
        ]

    @property
    def costs(self) -> AskingCosts:
        """Of asking, so far."""
        with self._changed:
            return self._costs

    def start(self) -> None:
        """Begin; workers start when there is something for them to do."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the workers and the threads; what is being learnt is lost."""
        with self._changed:
            self._stopping = True
            for link in self._links:
                link.kill()
            self._changed.notify_all()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    # --- seats ----------------------------------------------------------------------------------------------------

    def join(self, seat: Hashable) -> None:
        """See `PersonPanel.join`."""
        with self._changed:
            self._panel.join(seat)

    def leave(self, seat: Hashable) -> None:
        """See `PersonPanel.leave`."""
        with self._changed:
            self._panel.leave(seat)
            self._questions.pop(seat, None)

    def set_template(self, seat: Hashable, template: Template | None) -> None:
        """See `PersonPanel.set_template`."""
        with self._changed:
            self._panel.set_template(seat, template)
            self._questions.pop(seat, None)

    def offer(self, seat: Hashable, face: FaceFrame) -> None:
        """See `PersonPanel.offer`."""
        with self._changed:
            question = self._panel.offer(seat, face)
            if question is not None:
                self._questions[seat] = question
                self._changed.notify_all()

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

    # --- enrolment ------------------------------------------------------------------------------------------------

    def begin_enrolment(self, seat: Hashable) -> None:
        """See `PersonPanel.begin_enrolment`."""
        with self._changed:
            self._panel.begin_enrolment(seat)

    def end_enrolment(self, seat: Hashable) -> Stretches:
        """See `PersonPanel.end_enrolment`."""
        with self._changed:
            return self._panel.end_enrolment(seat)

    def learn(self, template: Template, stretches: Stretches, learnt: Learnt) -> None:
        """Have the model of a template learnt in the background. learnt: gets it, on a thread of its own."""
        with self._changed:
            if not self._panel.may_learn(template, stretches):
                return
            if len(self._lessons) >= _MOST_LEARNING:
                self._panel.not_learnt(template, "too many wait to be learnt")
                return
            self._lessons.append((template, stretches, learnt))
            self._changed.notify_all()

    def learnt(self, template: Template, part: WitnessPart) -> None:
        """See `PersonPanel.learnt`."""
        with self._changed:
            self._panel.learnt(template, part)

    def not_kept(self, template: Template, why: str) -> None:
        """A model was learnt and could not be stored."""
        with self._changed:
            self._panel.not_learnt(template, why)

    # --- the asking thread ----------------------------------------------------------------------------------------

    def _ask(self) -> None:
        backoff = Backoff(_BRAKE, SystemRandom())
        while self._wait_for(lambda: bool(self._questions)):
            try:
                self._ask_while_it_runs(backoff)
            except PersonModelError as error:
                if self._stopping:
                    return
                logger.warning("person models are not asked: %s", error)
                seconds = backoff.lost(time.monotonic()) if error.retryable else None
                self._say_why(str(error), seconds)

    def _ask_while_it_runs(self, backoff: Backoff) -> None:
        """From a worker's start to its end, which is a PersonModelError unless the guard ends."""
        link = self._open()
        try:
            logger.info("person models are asked: %s", link.wait_ready())
            backoff.joined(time.monotonic())
            known: frozenset[int] = frozenset()
            while self._wait_for(lambda: bool(self._questions)):
                with self._changed:
                    if not self._questions:
                        continue
                    question = self._questions.pop(next(iter(self._questions)))
                    persons = self._panel.persons
                link.forget(known - persons)
                known &= persons
                if question.person not in known:
                    link.know(question.person, question.weights)
                    known |= {question.person}
                self._take_answer(question, link.judge(question.person, question.probe.faces))
        finally:
            self._close(link)

    def _take_answer(self, question: Question, answer: Message) -> None:
        with self._changed:
            if answer.kind is Kind.JUDGED:
                self._panel.answer(question, answer.value)
            else:
                self._panel.answer(question, None, answer.text)
            self._costs = AskingCosts(self._costs.probes + 1, self._costs.cpu_seconds + answer.cpu_seconds)

    def _say_why(self, why: str, seconds: float | None) -> None:
        """Answer whatever is asked with a reason, for so long; None: until the guard ends."""
        until = None if seconds is None else time.monotonic() + seconds
        with self._changed:
            while not self._stopping and (until is None or time.monotonic() < until):
                for question in self._questions.values():
                    self._panel.answer(question, None, why)
                self._questions.clear()
                self._changed.wait(None if until is None else max(until - time.monotonic(), 0.0))

    # --- the learning thread --------------------------------------------------------------------------------------

    def _learn(self) -> None:
        while self._wait_for(lambda: bool(self._lessons)):
            with self._changed:
                template, stretches, learnt = self._lessons.popleft()
            try:
                part = self._learn_one(template, stretches)
            except PersonModelError as error:
                if self._stopping:
                    return
                logger.warning("no person model for %s: %s", template.name, error)
                with self._changed:
                    self._panel.not_learnt(template, str(error))
            else:
                learnt(template, part)

    def _learn_one(self, template: Template, stretches: Stretches) -> WitnessPart:
        def progress(share: float) -> None:
            with self._changed:
                self._panel.learning(template, share)

        link = self._open()
        try:
            link.wait_ready()
            weights = link.learn(stretches, progress)
        finally:
            self._close(link)
        if len(weights) != self._manifest.weights:
            raise PersonModelError("the worker gave a model of another size", retryable=False)
        return WitnessPart(PERSON_MODEL, weights[None], self._manifest.model_sha256)

    # --- both -----------------------------------------------------------------------------------------------------

    def _wait_for(self, something: Callable[[], bool]) -> bool:
        """True as soon as there is something, False where the guard ends."""
        with self._changed:
            while not self._stopping and not something():
                self._changed.wait()
            return not self._stopping

    def _open(self) -> Link:
        link = self._make_link(self._config)
        with self._changed:
            self._links.add(link)
            if self._stopping:
                link.kill()
        return link

    def _close(self, link: Link) -> None:
        with self._changed:
            self._links.discard(link)
        link.close()
