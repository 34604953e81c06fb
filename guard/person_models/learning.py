"""Has the models of those who were enrolled learnt, one after another, each in a worker that is there only for that."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from engines.person_models.folder import PERSON_MODEL, PersonModelManifest
from guard.errors import PersonModelError
from guard.person_models.panel import PersonPanel
from guard.person_models.worker_thread import MakeLink, Stretches, WorkerThread
from guard.verify.template import Template, WitnessPart

logger = logging.getLogger(__name__)

_MOST_WAITING = 32


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """stretches: of faces. learnt: gets the template and its model, on the learning thread."""

    template: Template
    stretches: Stretches
    learnt: Callable[[Template, WitnessPart], None]


class Learning(WorkerThread):
    """`changed` is held by whoever calls `put` or `drop`."""

    def __init__(
        self, panel: PersonPanel, manifest: PersonModelManifest, make_link: MakeLink, changed: threading.Condition
    ) -> None:
        super().__init__("guard-person-learning", make_link, changed)
        self._panel, self._manifest = panel, manifest
        self._lessons: deque[Lesson] = deque()
        self._learning: str | None = None
        """Name of the template whose model is learnt now; None where nobody wants it any more."""

    def put(self, lesson: Lesson) -> None:
        """To be learnt when its turn comes."""
        if not self._panel.may_learn(lesson.template, lesson.stretches):
            return
        if len(self._lessons) >= _MOST_WAITING:
            self._panel.not_learnt(lesson.template, "too many wait to be learnt")
            return
        self._lessons.append(lesson)
        self.changed.notify_all()

    def drop(self, name: str) -> None:
        """A template is gone: no model of it is learnt, also where that has begun."""
        self._lessons = deque(lesson for lesson in self._lessons if lesson.template.name != name)
        if self._learning == name:
            self._learning = None
            if self.link is not None:
                self.link.kill()

    def is_wanted(self) -> bool:
        """See `WorkerThread`."""
        return super().is_wanted() and self._learning is not None

    def work(self) -> None:
        """See `WorkerThread`."""
        while self.wait_for(lambda: bool(self._lessons)):
            self._take_next()  # Whose faces are gone with it.

    def _take_next(self) -> None:
        with self.changed:
            if not self._lessons:
                return
            lesson = self._lessons.popleft()
            self._learning = lesson.template.name
        part, why = self._learnt(lesson)
        with self.changed:
            wanted, self._learning = self.is_wanted(), None
            if wanted and part is None:
                logger.warning("no person model for %s: %s", lesson.template.name, why)
                self._panel.not_learnt(lesson.template, why)
        if wanted and part is not None:
            lesson.learnt(lesson.template, part)

    def _learnt(self, lesson: Lesson) -> tuple[WitnessPart | None, str]:
        """The model, or why there is none."""

        def progress(share: float) -> None:
            with self.changed:
                if self.is_wanted():
                    self._panel.learning(lesson.template, share)

        try:
            with self.worker() as link:
                weights = link.learn(lesson.stretches, progress)
        except PersonModelError as error:
            return None, str(error)
        except Exception:
            logger.exception("learning a person model failed")
            return None, "the guard had an internal error"
        if len(weights) != self._manifest.weights:
            return None, "the worker gave a model of another size"
        return WitnessPart(PERSON_MODEL, weights[None], self._manifest.model_sha256), ""
