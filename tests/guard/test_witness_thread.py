"""The witnesses' own thread: nothing waits for it, nothing piles up, and what it says is there to be read."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from guard.verify.template import Template
from guard.verify.witnesses import WitnessPanel
from guard.witness_thread import _MOST_WAITING, WitnessThread
from tests.guard.verify.driver_space import DriverSpace, driver_space
from tests.guard.verify.made_witnesses import Mover, SpreadWitness, made_panel_witnesses

SEAT = ("main", "alice")
ALICE = Mover(1)


class Held(SpreadWitness):
    """A witness that waits until a test lets it go on."""

    def __init__(self) -> None:
        super().__init__("facial_codes", "blendshapes")
        self.go_on = threading.Event()

    def embed(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        assert self.go_on.wait(60)
        return super().embed(windows)


@pytest.fixture(scope="module")
def template() -> Template:
    space: DriverSpace = driver_space()
    panel = WitnessPanel(made_panel_witnesses()[2])
    panel.join(SEAT)
    panel.begin_enrolment(SEAT)
    for k in range(125):
        panel.observe(SEAT, ALICE.at(k * 0.08), k * 0.08)
    return replace(space.template(space.driver(1)), parts=panel.end_enrolment(SEAT).parts)


@pytest.fixture
def thread() -> Iterator[WitnessThread]:
    thread = WitnessThread(WitnessPanel(made_panel_witnesses()[2]))
    thread.start()
    yield thread
    thread.stop()


def test_what_was_said_lies_ready(thread: WitnessThread, template: Template) -> None:
    thread.join(SEAT)
    thread.set_template(SEAT, template)
    thread.begin_enrolment(SEAT)
    for k in range(125):
        thread.observe(SEAT, ALICE.at(k * 0.08), 7.0)
    collected = thread.end_enrolment(SEAT)  # After all that was asked for before.
    assert [part.witness for part in collected.parts] == ["expression_dynamics", "facial_codes"]
    opinion = thread.opinion(SEAT)
    assert opinion is not None
    assert opinion.template is template
    assert all(said.llr is not None and said.llr > 0 and said.heard_seconds == 7.0 for said in opinion.statements)
    thread.leave(SEAT)
    thread.end_enrolment(SEAT)
    assert thread.opinion(SEAT) is None


def test_why_the_tracker_is_away_is_told_with_the_opinion(template: Template) -> None:
    trouble: list[str | None] = [None]
    thread = WitnessThread(WitnessPanel(made_panel_witnesses()[2], lambda: trouble[0]))
    thread.start()
    thread.join(SEAT)
    thread.end_enrolment(SEAT)
    told = []
    for trouble[0] in (None, "the tracker has ended", None):
        opinion = thread.opinion(SEAT)
        assert opinion is not None
        told.append(opinion.trouble)
    assert told == [None, "the tracker has ended", None]
    thread.stop()


def test_whoever_hands_samples_in_never_waits_and_the_queue_is_bounded(template: Template) -> None:
    held = Held()
    witnesses = [replace(made_panel_witnesses()[2][1], witness=held)]
    thread = WitnessThread(WitnessPanel(witnesses))
    thread.start()
    thread.join(SEAT)
    thread.set_template(SEAT, template)
    for k in range(_MOST_WAITING + 500):
        thread.observe(SEAT, ALICE.at(k * 0.08), 7.0)
    assert thread.dropped > 0
    held.go_on.set()
    thread.end_enrolment(SEAT)
    assert held.embedded > 0
    thread.stop()


def test_a_sample_that_breaks_it_ends_nothing(thread: WitnessThread, template: Template) -> None:
    thread.join(SEAT)
    thread.set_template(SEAT, template)
    thread.observe(SEAT, object(), 7.0)  # type: ignore[arg-type]
    for k in range(60):
        thread.observe(SEAT, ALICE.at(k * 0.08), 7.0)
    thread.end_enrolment(SEAT)
    opinion = thread.opinion(SEAT)
    assert opinion is not None
    assert opinion.statements[0].llr is not None


def test_stopping_twice_or_before_the_start_is_harmless() -> None:
    thread = WitnessThread(WitnessPanel([]))
    thread.stop()
    thread = WitnessThread(WitnessPanel([]))
    thread.start()
    thread.stop()
    thread.stop()
    assert "guard-witnesses" not in {running.name for running in threading.enumerate()}
