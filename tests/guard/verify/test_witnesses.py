"""The panel: each witness of each seat speaks for itself, and gives a reason where it cannot."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from guard.verify.template import Template
from guard.verify.witnesses import Opinion, Statement, WitnessPanel
from tests.guard.verify.driver_space import DriverSpace
from tests.guard.verify.made_witnesses import FRAMES, RATE_HZ, Mover, SpreadWitness, made_panel_witnesses

SEAT = ("main", "alice")
STEP = 0.08
ALICE, MALLORY = Mover(1), Mover(2)


class Watched:
    """A panel, a clock that media time goes along with, and somebody in front of the camera."""

    def __init__(self) -> None:
        self.dynamics, self.codes, loaded = made_panel_witnesses()
        self.panel = WitnessPanel(loaded)
        self.panel.join(SEAT)
        self.now = 0.0

    def watch(self, who: Mover, seconds: float, *, found: bool = True) -> None:
        for _ in range(round(seconds / STEP)):
            self.now += STEP
            self.panel.observe(SEAT, who.at(self.now, found=found), 1000 + self.now)

    def enrol(self, space: DriverSpace, who: Mover, seconds: float = 10) -> Template:
        self.panel.begin_enrolment(SEAT)
        self.watch(who, seconds)
        parts = self.panel.end_enrolment(SEAT).parts
        return replace(space.template(space.driver(1)), parts=parts)

    def opinion(self) -> Opinion:
        opinion = self.panel.opinion(SEAT)
        assert opinion is not None
        return opinion

    def statement(self, witness: SpreadWitness) -> Statement:
        return next(each for each in self.opinion().statements if each.name == witness.spec.name)


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_the_enrolled_person_is_spoken_for_and_somebody_else_against(watched: Watched, space: DriverSpace) -> None:
    template = watched.enrol(space, ALICE)
    watched.panel.set_template(SEAT, template)
    watched.watch(ALICE, 5)
    genuine = watched.opinion()
    watched.watch(MALLORY, 5)
    impostor = watched.opinion()
    assert genuine.template is impostor.template is template
    for own, other in zip(genuine.statements, impostor.statements, strict=True):
        assert own.llr is not None
        assert other.llr is not None
        assert own.llr > 0 > other.llr
        assert own.why is None


def test_statements_tell_what_stretch_of_video_they_are_about(watched: Watched, space: DriverSpace) -> None:
    watched.panel.set_template(SEAT, watched.enrol(space, ALICE))
    watched.watch(ALICE, 4)
    said = watched.statement(watched.codes)
    assert said.heard_seconds is not None
    assert said.since_seconds == pytest.approx(said.heard_seconds - FRAMES / RATE_HZ)
    assert 1000 + watched.now - said.heard_seconds <= 1.0


def test_movements_of_somebody_else_are_named(watched: Watched, space: DriverSpace) -> None:
    watched.panel.set_template(SEAT, watched.enrol(space, ALICE))
    watched.watch(MALLORY, 6)
    assert watched.statement(watched.codes).movements
    assert watched.statement(watched.dynamics).movements == (), "it cannot explain itself"


def test_it_says_how_much_video_is_missing(watched: Watched, space: DriverSpace) -> None:
    watched.panel.set_template(SEAT, watched.enrol(space, ALICE))
    assert "collecting video (0% of a window)" in (watched.statement(watched.codes).why or "")
    watched.watch(ALICE, 1)
    assert "collecting video (47%" in (watched.statement(watched.codes).why or "")


def test_reasons_for_silence(watched: Watched, space: DriverSpace) -> None:
    plain = space.template(space.driver(1))
    assert watched.statement(watched.codes).why == "no template is assigned to this seat"
    watched.panel.set_template(SEAT, plain)
    assert "enrol again with expressions on" in (watched.statement(watched.codes).why or "")
    enrolled = watched.enrol(space, ALICE)
    foreign = tuple(replace(part, model_sha256="0" * 64) for part in enrolled.parts)
    watched.panel.set_template(SEAT, replace(enrolled, parts=foreign))
    assert "another version" in (watched.statement(watched.codes).why or "")
    watched.watch(ALICE, 5)
    assert all(each.llr is None for each in watched.opinion().statements)


def test_one_that_fails_says_so_and_the_other_goes_on(watched: Watched, space: DriverSpace) -> None:
    watched.panel.set_template(SEAT, watched.enrol(space, ALICE))
    watched.dynamics.broken = True
    watched.watch(ALICE, 4)
    assert "broken for a test" in (watched.statement(watched.dynamics).why or "")
    assert watched.statement(watched.codes).llr is not None
    watched.dynamics.broken = False
    watched.watch(ALICE, 2)
    assert watched.statement(watched.dynamics).llr is not None


def test_a_failure_takes_back_what_was_said(watched: Watched, space: DriverSpace) -> None:
    watched.panel.set_template(SEAT, watched.enrol(space, ALICE))
    watched.watch(ALICE, 4)
    assert watched.statement(watched.dynamics).llr is not None
    watched.dynamics.broken = True
    watched.watch(ALICE, 2)
    assert watched.statement(watched.dynamics).llr is None


def test_another_template_starts_from_nothing(watched: Watched, space: DriverSpace) -> None:
    template = watched.enrol(space, ALICE)
    watched.panel.set_template(SEAT, template)
    watched.watch(ALICE, 4)
    watched.panel.set_template(SEAT, template)
    assert watched.statement(watched.codes).llr is None


def test_a_part_that_cannot_be_compared_with_silences_that_witness_alone(watched: Watched, space: DriverSpace) -> None:
    enrolled = watched.enrol(space, ALICE)
    first, *others = enrolled.parts
    cancelling = np.concatenate([first.embeddings[:1], -first.embeddings[:1]])
    watched.panel.set_template(SEAT, enrolled)
    watched.watch(ALICE, 5)
    watched.panel.set_template(SEAT, replace(enrolled, parts=(replace(first, embeddings=cancelling), *others)))
    watched.watch(ALICE, 5)
    said = {statement.name: statement for statement in watched.opinion().statements}
    assert said[first.witness].llr is None
    assert "cannot be compared with" in (said[first.witness].why or "")
    assert all(said[other.witness].llr is not None for other in others)


def test_who_leaves_is_forgotten(watched: Watched, space: DriverSpace) -> None:
    watched.panel.leave(SEAT)
    watched.panel.leave(SEAT)
    assert watched.panel.opinion(SEAT) is None
    watched.watch(ALICE, 4)
    watched.panel.set_template(SEAT, space.template(space.driver(1)))
    assert watched.panel.end_enrolment(SEAT).parts == ()
    assert watched.codes.embedded == 0


def test_too_little_enrolment_video_is_a_reason_and_no_error(watched: Watched) -> None:
    watched.panel.begin_enrolment(SEAT)
    watched.watch(ALICE, 2.5)
    collected = watched.panel.end_enrolment(SEAT)
    assert collected.parts == ()
    assert [sentence.split(" has no part")[0] for sentence in collected.missing] == [
        "Expression dynamics",
        "Facial movements",
    ]
    assert "4 s or more" in collected.missing[0]


def test_a_face_lost_half_way_costs_windows_and_nothing_else(watched: Watched) -> None:
    watched.panel.begin_enrolment(SEAT)
    watched.watch(ALICE, 3)
    watched.watch(ALICE, 1, found=False)
    watched.watch(ALICE, 5)
    collected = watched.panel.end_enrolment(SEAT)
    assert [part.witness for part in collected.parts] == ["expression_dynamics", "facial_codes"]
    assert [len(part.embeddings) for part in collected.parts] == [5, 5], "one before and four after"
    assert collected.missing == ()


def test_no_enrolment_gives_no_parts_and_no_reasons(watched: Watched) -> None:
    collected = watched.panel.end_enrolment(SEAT)
    assert (collected.parts, collected.missing) == ((), ())
