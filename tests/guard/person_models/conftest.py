"""A template that may have a model, and a link to a worker that is none: what it learns and says is the test's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from engines.person_models.messages import Kind, Message
from guard.errors import PersonModelError
from guard.verify.template import ConsentRecord, Template, consent_text
from tests.guard.conftest import driver_embedding


@dataclass
class Script:
    """What the links of a test do. starts: errors of the next starts, then none. may_learn: learning waits for it."""

    weights: NDArray[np.float32]
    llr: float = 0.5
    refusal: str | None = None
    starts: list[PersonModelError] = field(default_factory=list)
    learning: Exception | None = None
    may_learn: threading.Event = field(default_factory=threading.Event)
    known: dict[int, NDArray[np.float32]] = field(default_factory=dict)
    asked: list[tuple[int, NDArray[np.uint8]]] = field(default_factory=list)
    learnt: list[tuple[int, ...]] = field(default_factory=list)
    open: int = 0

    def link(self) -> StandInLink:
        self.open += 1
        self.known = {}
        return StandInLink(self)


class StandInLink:
    """One worker's."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._killed = False

    def wait_ready(self) -> str:
        if self._script.starts:
            raise self._script.starts.pop(0)
        return "a stand-in"

    def know(self, person: int, weights: NDArray[np.float32]) -> None:
        self._script.known[person] = weights

    def forget(self, persons: frozenset[int]) -> None:
        for person in persons:
            del self._script.known[person]

    def judge(self, person: int, faces: NDArray[np.uint8]) -> Message:
        assert person in self._script.known
        self._script.asked.append((person, faces))
        if self._script.refusal is not None:
            return Message(Kind.REFUSED, person, content=self._script.refusal.encode())
        return Message(Kind.JUDGED, person, self._script.llr, 0.25)

    def learn(self, stretches: tuple[NDArray[np.uint8], ...], progress: Callable[[float], None]) -> NDArray[np.float32]:
        progress(0.5)
        while not self._script.may_learn.wait(0.01):
            if self._killed:
                raise PersonModelError("ended with SIGKILL", retryable=True)
        if self._script.learning is not None:
            raise self._script.learning
        self._script.learnt.append(tuple(len(stretch) for stretch in stretches))
        return self._script.weights

    def kill(self) -> None:
        self._killed = True

    def close(self) -> None:
        self._script.open -= 1


@pytest.fixture
def template(consent: ConsentRecord) -> Template:
    version, statement = consent_text(person_model=True)
    agreed = replace(consent, text_version=version, statement=statement)
    return Template("alice", driver_embedding(60)[None], "f" * 64, consent.time, agreed)
