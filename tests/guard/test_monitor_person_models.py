"""The monitor with person models: learnt after an enrolment, kept with its template, heard beside the engine."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from engines.person_models.folder import PERSON_MODEL
from guard.calls.source import LatestFrames
from guard.config import GuardConfig, PersonModelsConfig, StoreConfig, VerifyConfig
from guard.media.front_end import FaceFrontEnd
from guard.monitor import Monitor
from guard.person_models.person_models import PersonModels
from guard.serve.events import ParticipantEvent, WitnessesEvent
from guard.serve.hub import EventHub
from guard.serve.service import Consent
from guard.verify.store import TemplateStore
from guard.verify.template import Template, WitnessPart, consent_text
from tests.engines.person_models.made_folder import ANYTHING, made_manifest
from tests.guard.conftest import BrightnessEngine
from tests.guard.made_room import FPS, Room, running
from tests.guard.person_models.conftest import Script

WEIGHTS = np.arange(12, dtype=np.float32)
MANIFEST = made_manifest(ANYTHING, len(WEIGHTS))


@dataclass(kw_only=True)
class PersonRoom(Room):
    """With one participant, whose person models a script learns and asks."""

    script: Script

    async def play(self, frames: LatestFrames, seconds: float) -> None:
        async with asyncio.timeout(60):
            for _ in range(round(seconds * FPS)):
                while len(frames) > 2:  # noqa: ASYNC110 - a thread keeps up
                    await asyncio.sleep(0)
                self.push(frames)

    async def enrol(self, frames: LatestFrames, *, person_model: bool) -> None:
        version, statement = consent_text(person_model=person_model)
        consent = Consent(statement=statement, given_by="alice", text_version=version)
        self.monitor.start_enrolment("main", "alice", "alice", consent)
        await self.play(frames, 12)
        await self.until(lambda event: isinstance(event, ParticipantEvent) and event.action == "enrolled")

    async def hear(self, frames: LatestFrames, wanted: Callable[[float | None, str | None], bool]) -> float | None:
        """Play until the person model says what is wanted; its weight then."""
        async with asyncio.timeout(60):
            while True:
                await self.play(frames, 1)
                while (published := self.feed.subscription.take()) is not None:
                    event = published.event
                    if isinstance(event, WitnessesEvent) and wanted(event.witnesses[-1].llr, event.witnesses[-1].why):
                        assert event.witnesses[-1].name == PERSON_MODEL
                        return event.witnesses[-1].weight
                await asyncio.sleep(0.01)


@pytest.fixture
async def room(
    tmp_path: Path,
    brightness_engine: BrightnessEngine,
    make_front_end: Callable[[], FaceFrontEnd],
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[PersonRoom]:
    monkeypatch.setattr("guard.announcements._OPINIONS_SECONDS", 0.0)
    config = GuardConfig(
        verify=VerifyConfig(enrolment_seconds=8, scores_per_second=30),
        store=StoreConfig(path=tmp_path / "templates.sqlite3"),
        person_models=PersonModelsConfig(folder=tmp_path),
    )
    store, hub, script = TemplateStore(config.store), EventHub(5000, 5000), Script(WEIGHTS)
    models = PersonModels(config.person_models, MANIFEST, script.link)
    monitor = Monitor(brightness_engine, config, store, hub, make_front_end, None, models)
    async with running(PersonRoom(monitor=monitor, store=store, script=script), hub) as room:
        yield room


async def test_learnt_in_the_background_kept_and_heard_without_weight(room: PersonRoom) -> None:
    assert room.monitor.status().limits.person_models
    frames = room.monitor.participant_joined("main", "alice")
    await room.enrol(frames, person_model=True)
    assert room.store.get("alice").parts == (), "the template does not wait for its model"
    await room.hear(frames, lambda _, why: why == "the model of this person is being learnt (50%)")
    room.script.may_learn.set()
    assert await room.hear(frames, lambda llr, _: llr == room.script.llr) == 0
    kept = room.store.get("alice").part(PERSON_MODEL)
    assert kept is not None
    assert np.array_equal(kept.embeddings, WEIGHTS[None])
    assert (await room.monitor.templates())[0].witnesses == [PERSON_MODEL]
    assert sum(room.script.learnt[0]) > 100


async def test_who_comes_back_is_asked_about_with_the_kept_model(room: PersonRoom) -> None:
    room.script.may_learn.set()
    frames = room.monitor.participant_joined("main", "alice")
    await room.enrol(frames, person_model=True)
    await room.hear(frames, lambda llr, _: llr is not None)
    room.monitor.participant_left("main", "alice", why="gone")
    room.script.llr = -0.25
    frames = room.monitor.participant_joined("main", "alice")
    await room.hear(frames, lambda llr, _: llr == -0.25)
    assert len(room.script.learnt) == 1


async def test_without_consent_to_it_no_model_is_learnt(room: PersonRoom) -> None:
    frames = room.monitor.participant_joined("main", "alice")
    await room.enrol(frames, person_model=False)
    await room.hear(frames, lambda _, why: why is not None and "the consent does not cover" in why)
    assert room.script.open == 0


async def test_without_consent_to_it_no_face_is_kept(room: PersonRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    assert room.monitor.opinions.person_models is not None
    begun: list[object] = []
    monkeypatch.setattr(room.monitor.opinions.person_models, "begin_enrolment", begun.append)
    frames = room.monitor.participant_joined("main", "alice")
    await room.enrol(frames, person_model=False)
    assert begun == []
    await room.enrol(frames, person_model=True)
    assert len(begun) == 1


async def test_a_model_of_an_erased_template_is_thrown_away(room: PersonRoom) -> None:
    frames = room.monitor.participant_joined("main", "alice")
    await room.enrol(frames, person_model=True)
    await room.hear(frames, lambda _, why: why is not None and "being learnt (50%)" in why)
    await room.monitor.delete_template("alice")
    async with asyncio.timeout(20):
        while room.script.open:  # noqa: ASYNC110 - a thread gets round to it
            await asyncio.sleep(0.01)
    room.script.may_learn.set()
    await room.hear(frames, lambda _, why: why == "no template is assigned to this seat")
    assert room.script.learnt == [], "its learning was ended"


async def test_a_model_whose_template_another_process_erased_is_not_stored(room: PersonRoom) -> None:
    frames = room.monitor.participant_joined("main", "alice")
    await room.enrol(frames, person_model=True)
    await room.hear(frames, lambda _, why: why is not None and "being learnt (50%)" in why)
    room.store.delete("alice")
    kept: list[bool] = []
    put_part = room.store.put_part

    def noting(template: Template, part: WitnessPart) -> bool:
        kept.append(put_part(template, part))
        return kept[-1]

    room.store.put_part = noting  # type: ignore[method-assign]
    room.script.may_learn.set()
    async with asyncio.timeout(20):
        while not kept:  # noqa: ASYNC110 - a thread gets round to it
            await asyncio.sleep(0.01)
    assert kept == [False]
    with closing(sqlite3.connect(room.store.path)) as connection:
        assert connection.execute("SELECT count(*) FROM witness_part").fetchone() == (0,)


async def test_a_cancelled_enrolment_leaves_no_faces(room: PersonRoom) -> None:
    frames = room.monitor.participant_joined("main", "alice")
    version, statement = consent_text(person_model=True)
    room.monitor.start_enrolment(
        "main", "alice", "alice", Consent(statement=statement, given_by="alice", text_version=version)
    )
    await room.play(frames, 3)
    room.monitor.cancel_enrolment("main", "alice")
    await room.until(lambda event: isinstance(event, ParticipantEvent) and event.action == "enrolment_failed")
    await room.play(frames, 1)
    assert room.monitor.opinions.person_models is not None
    done, loop = asyncio.Event(), asyncio.get_running_loop()
    room.monitor._thread.order(lambda: loop.call_soon_threadsafe(done.set))
    async with asyncio.timeout(20):
        await done.wait()
    assert room.monitor.opinions.person_models.end_enrolment(next(iter(room.monitor.pipeline.seats))) == ()
