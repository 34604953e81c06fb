"""What is said about a seat: only with a model of the seat's own template, and why not otherwise."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from engines.person_models.folder import PERSON_MODEL
from guard.person_models.panel import PersonPanel, Question
from guard.person_models.probes import STEP_SECONDS
from guard.verify.template import Template, WitnessPart, consent_text
from tests.engines.person_models.made_folder import ANYTHING, made_manifest
from tests.guard.person_models.made_faces import LATE_SECONDS, face

MANIFEST = made_manifest(ANYTHING, 12)
STRETCHES = (np.zeros((150, 64, 64), np.uint8),)


def part(sha256: str = MANIFEST.model_sha256, weights: int = 12) -> WitnessPart:
    return WitnessPart(PERSON_MODEL, np.full((1, weights), 0.5, np.float32), sha256)


@pytest.fixture
def panel() -> PersonPanel:
    panel = PersonPanel(MANIFEST)
    panel.join("seat")
    return panel


def why(panel: PersonPanel) -> str | None:
    statement = panel.statement("seat")
    assert statement is not None
    assert statement.llr is None
    return statement.why


def asked(panel: PersonPanel, begin: float = 0.0) -> Question:
    """The first question of a step of video."""
    questions = [panel.offer("seat", face(begin + step / 30)) for step in range(round(30 * STEP_SECONDS))]
    return next(question for question in questions if question is not None)


def test_without_a_model_nothing_is_asked_and_the_reason_is_told(panel: PersonPanel, template: Template) -> None:
    assert panel.statement("nobody") is None
    assert why(panel) == "no template is assigned to this seat"
    panel.set_template("seat", template)
    assert why(panel) == "the template holds no model of this person; enrol again"
    for step in range(round(60 * STEP_SECONDS)):
        assert panel.offer("seat", face(step / 30)) is None
    for other in (part("0" * 64), part(weights=11)):
        panel.set_template("seat", replace(template, parts=(other,)))
        assert why(panel) == "the template's model began with another general model; enrol again"
        assert panel.persons == frozenset()


def test_an_answer_is_a_statement_of_the_probe_it_was_of(panel: PersonPanel, template: Template) -> None:
    panel.set_template("seat", replace(template, parts=(part(),)))
    assert why(panel) == "collecting faces (0 of 4 pairs)"
    question = asked(panel)
    assert panel.persons == {question.person}
    panel.answer(question, -0.25)
    statement = panel.statement("seat")
    assert statement is not None
    assert (statement.name, statement.llr, statement.why) == (PERSON_MODEL, -0.25, None)
    assert statement.since_seconds == pytest.approx(LATE_SECONDS)
    assert statement.heard_seconds == question.probe.until_seconds
    assert statement.step_seconds == STEP_SECONDS
    panel.answer(question, None, "the worker ended")
    assert why(panel) == "the worker ended"


def test_an_answer_about_somebody_else_is_not_heard(panel: PersonPanel, template: Template) -> None:
    panel.set_template("seat", replace(template, parts=(part(),)))
    question = asked(panel)
    panel.set_template("seat", replace(template, name="bob", parts=(part(),)))
    panel.answer(question, 3.0)
    assert why(panel) == "collecting faces (0 of 4 pairs)"
    panel.leave("seat")
    panel.answer(question, 3.0)
    assert panel.statement("seat") is None


def test_learning_is_told_until_the_model_is_there(panel: PersonPanel, template: Template) -> None:
    panel.set_template("seat", template)
    assert panel.may_learn(template, STRETCHES)
    assert why(panel) == "the model of this person is being learnt (0%)"
    panel.learning(template, 0.42)
    again = replace(template)  # as it is read from the store after they have left and come back
    panel.join("seat")
    panel.set_template("seat", again)
    assert why(panel) == "the model of this person is being learnt (42%)"
    panel.learnt(template, part())
    assert why(panel) == "collecting faces (0 of 4 pairs)"
    later = replace(template, created=template.created + timedelta(seconds=1))
    panel.set_template("seat", later)
    panel.learnt(template, part())
    assert why(panel) == "the template holds no model of this person; enrol again", "of an earlier enrolment"


def test_nothing_is_learnt_without_consent_or_faces(panel: PersonPanel, template: Template) -> None:
    panel.set_template("seat", template)
    assert not panel.may_learn(template, (STRETCHES[0][:60],))
    assert why(panel) == "no model of this person was learnt: 60 of 100 faces were seen; enrol again"
    version, statement = consent_text(person_model=False)
    plain = replace(template, consent=replace(template.consent, text_version=version, statement=statement))
    panel.set_template("seat", plain)
    assert not panel.may_learn(plain, STRETCHES)
    assert "the consent does not cover a model of the person's face" in (why(panel) or "")


def test_faces_are_collected_between_begin_and_end_alone(panel: PersonPanel) -> None:
    panel.offer("seat", face(0.0))
    panel.begin_enrolment("seat")
    for step in range(100):
        panel.offer("seat", face(1 + step / 25))
    assert [len(stretch) for stretch in panel.end_enrolment("seat")] == [100]
    assert panel.end_enrolment("seat") == ()
    assert panel.end_enrolment("nobody") == ()
