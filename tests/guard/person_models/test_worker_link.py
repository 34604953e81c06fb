"""A real worker under tiny models: it learns, is asked, refuses nonsense, holds no secret and calls nobody."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from engines.person_models.folder import GENERAL_FILE, read_person_manifest
from engines.person_models.messages import Kind
from guard.config import GuardConfig, PersonModelsConfig
from guard.doctor import _person_models
from guard.errors import PersonModelError
from guard.person_models.worker_link import WorkerLink
from tests.engines.person_models.made_folder import LIMIT, made_folder

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals and limits of Linux")

from tests.training.person_models.made_up_people import TINY, recording  # noqa: E402 - needs torch
from training.person_models.checkpoint import save_model, weights_of  # noqa: E402
from training.person_models.network import PersonModel  # noqa: E402

FACES = recording(1, 150).faces


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("person")
    contents = {}
    for seed, name in enumerate((GENERAL_FILE, "cohort/0.pt", "cohort/1.pt")):
        torch.manual_seed(seed)
        model = PersonModel(TINY)
        save_model(model, made / "model.pt", cpu_seconds=1)
        contents[name] = (made / "model.pt").read_bytes()
    made_folder(made / "models", contents, len(weights_of(model)))
    return made / "models"


@contextmanager
def link_to(folder: Path) -> Iterator[WorkerLink]:
    sha256 = read_person_manifest(folder).model_sha256 if folder.is_dir() else "0" * 64
    link = WorkerLink(PersonModelsConfig(folder=folder), sha256)
    try:
        yield link
    finally:
        link.close()


def test_somebody_is_learnt_then_asked_about_then_forgotten(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUARD_SERVER__TOKEN", "s3cret")
    with link_to(folder) as link:
        assert link.wait_ready().endswith("person models 7, 2 in the cohort; no internet")
        assert os.sched_getscheduler(link.pid) == os.SCHED_IDLE
        assert b"s3cret" not in Path(f"/proc/{link.pid}/environ").read_bytes()
        told: list[float] = []
        weights = link.learn((FACES[:90], FACES[90:]), told.append)
        assert told == sorted(told)
        assert told[-1] == 1.0
        link.know(7, weights)
        probe = FACES[[0, 30, 60, 8, 38, 68]]
        answer = link.judge(7, probe)
        assert answer.kind is Kind.JUDGED
        assert abs(answer.value) <= LIMIT
        assert answer.cpu_seconds > 0
        assert link.judge(7, probe).value == answer.value
        link.forget(frozenset({7}))
        assert link.judge(7, probe).kind is Kind.REFUSED


def test_nonsense_is_refused_and_the_worker_goes_on(folder: Path) -> None:
    with link_to(folder) as link:
        link.wait_ready()
        with pytest.raises(PersonModelError, match=r"60 frames are too few .* record 100 or more"):
            link.learn((FACES[:60],), lambda _: None)
        link.know(1, np.zeros(11, np.float32))  # answered, where nobody waits for an answer
        with pytest.raises(PersonModelError, match="broke its protocol"):
            link.judge(2, FACES[:2])


def test_a_folder_that_cannot_be_trusted_is_refused_for_good(tmp_path: Path) -> None:
    with link_to(tmp_path / "nothing") as link, pytest.raises(PersonModelError, match="person release") as caught:
        link.wait_ready()
    assert not caught.value.retryable


def test_a_worker_that_is_killed_is_told(folder: Path) -> None:
    with link_to(folder) as link:
        link.wait_ready()
        link.kill()
        with pytest.raises(PersonModelError, match="the worker for person models ended with SIGKILL") as caught:
            link.judge(1, FACES[:2])
        assert caught.value.retryable


def test_a_python_without_this_package_is_told(folder: Path) -> None:
    with pytest.raises(PersonModelError, match=r"cannot start .*; set person_models\.python to a Python"):
        WorkerLink(PersonModelsConfig(folder=folder, python=Path("/nowhere/python")), "0" * 64)


def test_a_folder_that_was_released_anew_is_not_taken_for_the_guards_own(folder: Path) -> None:
    link = WorkerLink(PersonModelsConfig(folder=folder), "0" * 64)
    try:
        with pytest.raises(PersonModelError, match="released anew since this guard started") as caught:
            link.wait_ready()
    finally:
        link.close()
    assert not caught.value.retryable


def test_without_torch_it_is_told_for_good(folder: Path, tmp_path: Path) -> None:
    bare = tmp_path / "python"
    hidden = "import sys; sys.modules['torch'] = None"
    bare.write_text(f'#!/bin/sh\nshift 2\ncode="$1"\nshift\nexec {sys.executable} -P -c "{hidden}; $code" "$@"\n')
    bare.chmod(0o755)
    link = WorkerLink(PersonModelsConfig(folder=folder, python=bare), "0" * 64)
    try:
        with pytest.raises(PersonModelError, match=r"person models need torch .* pip install") as caught:
            link.wait_ready()
    finally:
        link.close()
    assert not caught.value.retryable


def test_the_doctor_starts_one(folder: Path) -> None:
    assert _person_models(GuardConfig()) == "off (person_models.folder)"
    assert "no internet" in _person_models(GuardConfig(person_models=PersonModelsConfig(folder=folder)))
