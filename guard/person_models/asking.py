"""Has the models of those who are in calls asked, in a worker that stays as long as it runs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Hashable
from dataclasses import dataclass
from random import SystemRandom

from engines.person_models.messages import Kind, Message
from guard.calls.backoff import Backoff, BackoffPolicy
from guard.errors import PersonModelError
from guard.person_models.panel import PersonPanel, Question
from guard.person_models.worker_thread import Link, MakeLink, WorkerThread

logger = logging.getLogger(__name__)

_BRAKE = BackoffPolicy(first_seconds=1.0, longest_seconds=60.0, stable_seconds=30.0)


@dataclass(frozen=True, slots=True)
class AskingCosts:
    """Since the start: probes that were judged, and the worker's CPU seconds for them."""

    probes: int = 0
    cpu_seconds: float = 0.0


class Asking(WorkerThread):
    """`changed` is held by whoever calls `put` or `drop`."""

    def __init__(self, panel: PersonPanel, make_link: MakeLink, changed: threading.Condition) -> None:
        super().__init__("guard-person-asking", make_link, changed)
        self._panel = panel
        self._questions: dict[Hashable, Question] = {}
        """The newest of each seat that waits."""
        self._known: frozenset[int] = frozenset()
        """Persons whose models the worker holds."""
        self.costs = AskingCosts()

    def put(self, question: Question) -> None:
        """To be asked, in place of an older one of that seat."""
        self._questions[question.seat] = question
        self.changed.notify_all()

    def drop(self, seat: Hashable) -> None:
        """Nobody waits for an answer about this seat any more, nor may the worker go on holding what it knew."""
        self._questions.pop(seat, None)
        self.changed.notify_all()

    def work(self) -> None:
        """See `WorkerThread`."""
        backoff = Backoff(_BRAKE, SystemRandom())
        while self.wait_for(lambda: bool(self._questions)):
            try:
                self._ask_while_it_runs(backoff)
                continue
            except PersonModelError as error:
                why, retryable = str(error), error.retryable
            except Exception:
                logger.exception("asking person models failed")
                why, retryable = "the guard had an internal error while asking", True
            if not self.stopping:
                logger.warning("person models are not asked: %s", why)
                self._say_why(why, backoff.lost(time.monotonic()) if retryable else None)

    def _ask_while_it_runs(self, backoff: Backoff) -> None:
        """From a worker's start to its end, which is a PersonModelError unless the guard ends."""
        self._known = frozenset()
        with self.worker() as link:
            backoff.joined(time.monotonic())
            while self.wait_for(self._is_due):
                self._serve_next(link)

    def _is_due(self) -> bool:
        return bool(self._questions) or bool(self._known - self._panel.persons)

    def _serve_next(self, link: Link) -> None:
        with self.changed:
            question = self._questions.pop(next(iter(self._questions))) if self._questions else None
            persons = self._panel.persons
        link.forget(self._known - persons)
        self._known &= persons
        if question is None or question.person not in persons:
            return
        if question.person not in self._known:
            link.know(question.person, question.weights)
            self._known |= {question.person}
        self._take_answer(question, link.judge(question.person, question.probe.faces))

    def _take_answer(self, question: Question, answer: Message) -> None:
        with self.changed:
            if answer.kind is Kind.JUDGED:
                self._panel.answer(question, answer.value)
            else:
                self._panel.answer(question, None, answer.text)
            self.costs = AskingCosts(self.costs.probes + 1, self.costs.cpu_seconds + answer.cpu_seconds)

    def _say_why(self, why: str, seconds: float | None) -> None:
        """Answer whatever is asked with a reason, for so long; None: until the guard ends."""
        until = None if seconds is None else time.monotonic() + seconds
        with self.changed:
            while not self.stopping and (until is None or time.monotonic() < until):
                for question in self._questions.values():
                    self._panel.answer(question, None, why)
                self._questions.clear()
                self.changed.wait(None if until is None else max(until - time.monotonic(), 0.0))
