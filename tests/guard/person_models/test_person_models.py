"""The threads around person models: nobody waits, answers find their seat, and trouble is told."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engines.person_models.folder import PERSON_MODEL
from guard.config import PersonModelsConfig
from guard.errors import PersonModelError
from guard.person_models.person_models import PersonModels
from guard.person_models.probes import STEP_SECONDS
from guard.verify.template import Template, WitnessPart
from guard.verify.witnesses import Opinion, Statement
from tests.engines.person_models.made_folder import ANYTHING, made_manifest
from tests.guard.person_models.conftest import Script
from tests.guard.person_models.made_faces import face

WEIGHTS = np.arange(12, dtype=np.float32)
MANIFEST = made_manifest(ANYTHING, len(WEIGHTS))
STRETCHES = (np.zeros((150, 64, 64), np.uint8),)


def until(something: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not something():
        assert time.monotonic() < deadline
        time.sleep(0.002)


@pytest.fixture
def script() -> Script:
    return Script(WEIGHTS)


@pytest.fixture
def models(script: Script) -> Iterator[PersonModels]:
    models = PersonModels(PersonModelsConfig(folder=Path("unused")), MANIFEST, script.link)
    models.start()
    models.join("seat")
    yield models
    models.stop()
    assert script.open == 0, "a worker outlived the guard"


@pytest.fixture
def with_model(template: Template) -> Template:
    return replace(template, parts=(WitnessPart(PERSON_MODEL, WEIGHTS[None], MANIFEST.model_sha256),))


def said(models: PersonModels) -> Statement:
    opinion = models.beside("seat", None)
    assert opinion is not None
    return opinion.statements[0]


def play(models: PersonModels, begin: float = 0.0, seconds: float = STEP_SECONDS) -> None:
    for step in range(round(seconds * 30)):
        models.offer("seat", face(begin + step / 30))


def test_a_probe_is_asked_about_with_the_templates_own_model(
    models: PersonModels, script: Script, with_model: Template
) -> None:
    models.set_template("seat", with_model)
    assert script.open == 0, "nobody to ask about yet"
    play(models)
    until(lambda: said(models).llr is not None)
    assert said(models).llr == script.llr
    ((person, faces),) = script.asked
    assert np.array_equal(script.known[person], WEIGHTS)
    assert faces.shape == (8, 64, 64)
    assert (models.costs.probes, models.costs.cpu_seconds) == (1, 0.25)


@pytest.mark.parametrize("how", ["leaves", "is seated anew", "is compared with nobody"])
def test_people_who_are_gone_are_forgotten_by_the_worker_at_once(
    models: PersonModels, script: Script, with_model: Template, how: str
) -> None:
    models.set_template("seat", with_model)
    play(models)
    until(lambda: said(models).llr is not None)
    assert len(script.known) == 1
    if how == "leaves":
        models.leave("seat")
    else:
        models.set_template("seat", with_model if how == "is seated anew" else None)
    until(lambda: script.known == {})


def test_neither_faces_nor_weights_are_held_once_they_are_learnt(
    models: PersonModels, script: Script, template: Template
) -> None:
    script.may_learn.set()
    faces = np.zeros((150, 64, 64), np.uint8)
    held: list[weakref.ref[NDArray[Any]]] = [weakref.ref(faces)]
    models.learn(template, (faces,), lambda _, part: held.append(weakref.ref(part.embeddings)))
    del faces
    until(lambda: len(held) == 2)
    until(lambda: all(reference() is None for reference in held))
    assert [reference() for reference in held] == [None, None]


def test_what_is_said_stands_beside_the_witnesses_of_the_same_template(
    models: PersonModels, template: Template, with_model: Template
) -> None:
    models.set_template("seat", with_model)
    other = Statement("facial_codes", 1.0, None)
    beside = models.beside("seat", Opinion(with_model, (other,)))
    assert beside is not None
    assert [statement.name for statement in beside.statements] == ["facial_codes", PERSON_MODEL]
    of_another = Opinion(template, (other,))
    assert models.beside("seat", of_another) is of_another
    assert models.beside("nobody", of_another) is of_another


def test_a_refusal_and_a_worker_that_ends_are_reasons_and_another_is_started(
    models: PersonModels, script: Script, with_model: Template, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("guard.calls.backoff.Backoff.lost", lambda *_: 0.2)
    script.starts = [PersonModelError("the worker ended with SIGKILL", retryable=True)]
    models.set_template("seat", with_model)
    play(models)
    until(lambda: said(models).why == "the worker ended with SIGKILL")
    script.refusal = "no probe of somebody known"
    while said(models).why != script.refusal:
        play(models, begin=time.monotonic())
    script.refusal = None
    play(models, begin=1e6)
    until(lambda: said(models).llr == script.llr)
    assert said(models).why is None
    assert script.open == 1, "another worker, and no third one"


def test_a_worker_that_cannot_run_is_not_tried_again(
    models: PersonModels, script: Script, with_model: Template
) -> None:
    script.starts = [PersonModelError("no torch here", retryable=False)]
    models.set_template("seat", with_model)
    play(models)
    until(lambda: said(models).why == "no torch here")
    play(models, begin=100.0)
    until(lambda: not models._asking._questions)
    assert script.asked == []
    assert said(models).why == "no torch here"


def test_a_model_is_learnt_with_progress_and_handed_over(
    models: PersonModels, script: Script, template: Template
) -> None:
    models.set_template("seat", template)
    found: list[tuple[Template, WitnessPart]] = []
    models.learn(template, STRETCHES, lambda *learnt: found.append(learnt))
    until(lambda: said(models).why == "the model of this person is being learnt (50%)")
    script.may_learn.set()
    until(lambda: bool(found))
    assert found[0][0] is template
    assert np.array_equal(found[0][1].embeddings, WEIGHTS[None])
    assert script.learnt == [(150,)]
    until(lambda: script.open == 0)
    models.learnt(*found[0])
    play(models)
    until(lambda: said(models).llr == script.llr)


@pytest.mark.parametrize("waits", [False, True])
def test_a_template_that_is_erased_is_not_learnt_any_further(
    models: PersonModels, script: Script, template: Template, waits: bool
) -> None:
    first = replace(template, name="first") if waits else template
    models.set_template("seat", template)
    found: list[str] = []
    for each in {first.name: first, template.name: template}.values():
        models.learn(each, STRETCHES, lambda learnt, _: found.append(learnt.name))
    until(lambda: script.open == 1)
    models.forget(template.name)
    assert said(models).why == "the template holds no model of this person; enrol again"
    if waits:
        script.may_learn.set()
        until(lambda: found == ["first"])
    until(lambda: script.open == 0)
    assert template.name not in found
    models.learn(template, STRETCHES, lambda learnt, _: found.append(learnt.name))
    script.may_learn.set()
    until(lambda: found[-1:] == [template.name])


def test_an_error_that_nobody_thought_of_ends_no_thread(
    models: PersonModels, script: Script, template: Template
) -> None:
    script.may_learn.set()
    script.learning = MemoryError()
    models.set_template("seat", template)
    models.learn(template, STRETCHES, lambda *_: None)
    told = "no model of this person was learnt: the guard had an internal error; enrol again"
    until(lambda: said(models).why == told)
    script.learning = None
    found: list[Template] = []
    models.learn(template, STRETCHES, lambda learnt, _: found.append(learnt))
    until(lambda: found == [template])
    assert said(models).why != told


@pytest.mark.parametrize("size", [11, 12])
def test_what_cannot_be_learnt_is_told(models: PersonModels, script: Script, template: Template, size: int) -> None:
    script.may_learn.set()
    script.weights = WEIGHTS[:size]
    script.learning = PersonModelError("the worker ended with SIGKILL", retryable=True) if size == 12 else None
    told = "the worker ended with SIGKILL" if size == 12 else "the worker gave a model of another size"
    models.set_template("seat", template)
    models.learn(template, STRETCHES, lambda *_: pytest.fail("nothing was learnt"))
    until(lambda: "being learnt" not in (said(models).why or ""))
    assert said(models).why == f"no model of this person was learnt: {told}; enrol again"


def test_a_guard_that_ends_does_not_wait_for_learning(script: Script, template: Template) -> None:
    models = PersonModels(PersonModelsConfig(folder=Path("unused")), MANIFEST, script.link)
    models.start()
    models.join("seat")
    models.set_template("seat", template)
    models.learn(template, STRETCHES, lambda *_: None)
    until(lambda: script.open == 1)
    models.stop()
    assert script.open == 0
