"""The monitor with its real thread, store and hub; media time is made up, so nothing waits for a clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest

from engines.errors import BackendFailedError
from guard.calls.source import LatestFrames
from guard.config import CallsConfig, GuardConfig, ServerConfig, StoreConfig, VerifyConfig
from guard.errors import EnrolmentBusyError, EnrolmentError, NotInCallError, StoreError, UnknownNameError
from guard.media.front_end import FaceFrontEnd
from guard.monitor import Monitor
from guard.seat_key import SeatKey
from guard.serve.events import AlertEvent, LiveEvent, ParticipantEvent, ScoreEvent, StateEvent
from guard.serve.feed import Feed
from guard.serve.hub import EventHub
from guard.serve.service import Consent
from guard.verify.states import AbstainReason, DriverState
from guard.verify.store import TemplateStore
from guard.verify.template import Template
from tests.guard.conftest import ALICE, MALLORY, NOBODY, BrightnessEngine, gray_frame

FPS = 30
CONSENT = Consent(statement="I agree.", given_by="alice", text_version="1")


class Room:
    """A running monitor, with somebody who sends made-up frames and reads the events."""

    def __init__(self, monitor: Monitor, engine: BrightnessEngine, hub: EventHub, store: TemplateStore) -> None:
        self.monitor, self.engine, self.hub, self.store = monitor, engine, hub, store
        self.feed = Feed(hub, "main", None)
        self.media_seconds = 0.0
        self.start_seconds = time.monotonic()

    async def play(self, frames: LatestFrames, seconds: float, brightness: int) -> None:
        async with asyncio.timeout(60):
            for _ in range(round(seconds * FPS)):
                self.media_seconds += 1 / FPS
                while len(frames) > 2:  # noqa: ASYNC110 - lets the pipeline's thread catch up
                    await asyncio.sleep(0)
                frames.push(gray_frame(brightness, self.media_seconds, self.start_seconds + self.media_seconds))

    def play_unseen(self, frames: LatestFrames, seconds: float, brightness: int) -> None:
        """The same without a turn of the event loop: what comes of these frames is on its way to it afterwards.

        Of all but the last one: the engine is done with a frame before its outcome is handed over.
        """
        for _ in range(round(seconds * FPS)):
            steps = len(self.engine.batches)
            self.media_seconds += 1 / FPS
            frames.push(gray_frame(brightness, self.media_seconds, self.start_seconds + self.media_seconds))
            while len(self.engine.batches) == steps:
                time.sleep(0.0001)

    async def until(self, wanted: Callable[[LiveEvent], bool]) -> LiveEvent:
        async with asyncio.timeout(20):
            while True:
                event = (await self.feed.next()).event
                if wanted(event):
                    return event

    async def until_state(self, state: DriverState) -> LiveEvent:
        return await self.until(lambda event: isinstance(event, StateEvent) and event.state is state)

    async def until_action(self, action: str) -> ParticipantEvent:
        event = await self.until(lambda event: isinstance(event, ParticipantEvent) and event.action == action)
        assert isinstance(event, ParticipantEvent)
        return event


@pytest.fixture
def idle_room(tmp_path: Path, brightness_engine: BrightnessEngine, make_front_end: Callable[[], FaceFrontEnd]) -> Room:
    """Its monitor has not been started: orders to the pipeline wait."""
    config = GuardConfig(
        calls=CallsConfig(max_participants=2),
        verify=VerifyConfig(enrolment_seconds=5),
        server=ServerConfig(thumbnails=True),
        store=StoreConfig(path=tmp_path / "templates.sqlite3"),
    )
    store, hub = TemplateStore(config.store), EventHub(2000, 2000)
    monitor = Monitor(brightness_engine, config, store, hub, make_front_end)
    room = Room(monitor, brightness_engine, hub, store)
    # Frames arrive in made-up time: on a busy machine the real clock would run away from them, and they would stall.
    monitor.pipeline.clock = lambda: room.start_seconds + room.media_seconds
    return room


@pytest.fixture
async def room(idle_room: Room) -> AsyncIterator[Room]:
    await idle_room.monitor.start()
    with idle_room.feed:
        yield idle_room
    await idle_room.monitor.stop()
    assert idle_room.engine.closed


async def test_live_enrolment_then_verified_then_a_swap_alerts(room: Room) -> None:
    frames = room.monitor.participant_joined("main", "alice")
    room.monitor.start_enrolment("main", "alice", "alice", CONSENT)
    with pytest.raises(EnrolmentBusyError):
        room.monitor.start_enrolment("main", "alice", "alice", CONSENT)
    await room.play(frames, 10, ALICE)
    assert (await room.until_action("enrolled")).enrolled_as == "alice"
    assert [info.name for info in await room.monitor.templates()] == ["alice"]
    await room.play(frames, 15, ALICE)
    await room.until_state(DriverState.VERIFIED)
    assert room.monitor.participants("main")[0].state is DriverState.VERIFIED
    await room.play(frames, 15, MALLORY)
    alert = await room.until(lambda event: isinstance(event, AlertEvent))
    assert isinstance(alert, AlertEvent)
    assert alert.severity == "critical"
    assert "does not match" in alert.reason


async def test_a_template_of_the_same_name_applies_on_joining(room: Room, alice_template: Template) -> None:
    room.store.put(alice_template)
    frames = room.monitor.participant_joined("main", "alice")
    await room.until_action("enrolled")
    await room.play(frames, 10, MALLORY)
    await room.until_state(DriverState.MISMATCH)
    assert room.monitor.participants("main")[0].state is DriverState.MISMATCH


async def test_rejoining_does_not_shake_off_the_seats_template(room: Room, alice_template: Template) -> None:
    room.store.put(alice_template)
    room.monitor.participant_joined("main", "guest")
    await room.monitor.set_seat("main", "guest", "alice")
    room.monitor.participant_left("main", "guest", "bye")
    room.monitor.participant_left("main", "guest", "bye again")
    assert room.monitor.participants("main") == []
    await room.until_action("left")
    room.monitor.participant_joined("main", "guest")
    assert (await room.until_action("enrolled")).enrolled_as == "alice"


async def test_a_verdict_that_is_on_its_way_never_reaches_who_takes_the_seat_next(
    room: Room, alice_template: Template
) -> None:
    room.store.put(alice_template)
    frames = room.monitor.participant_joined("main", "alice")
    await room.until_action("enrolled")
    await room.play(frames, 15, ALICE)
    await room.until_state(DriverState.VERIFIED)
    room.play_unseen(frames, 0.2, ALICE)
    room.monitor.participant_left("main", "alice", "bye")
    room.monitor.participant_joined("main", "alice")
    await room.until_action("joined")
    said: set[DriverState] = set()

    def template_applies(event: LiveEvent) -> bool:
        if isinstance(event, ScoreEvent | StateEvent):
            said.add(event.state)
        return isinstance(event, StateEvent)

    await room.until(template_applies)
    assert said <= {DriverState.UNENROLLED, DriverState.WARMING}


async def test_a_template_of_a_cancelled_enrolment_is_not_taken_for_that_of_the_next(room: Room) -> None:
    frames = room.monitor.participant_joined("main", "alice")
    room.monitor.start_enrolment("main", "alice", "alice", CONSENT)
    await room.until_action("enrolling")
    room.play_unseen(frames, 10, ALICE)
    room.monitor.cancel_enrolment("main", "alice")
    room.monitor.start_enrolment("main", "alice", "alice", CONSENT)
    await room.play(frames, 1, ALICE)
    progress = room.monitor.participants("main")[0].enrolment_progress
    assert progress is not None
    assert progress < 0.5
    assert await room.monitor.templates() == []


async def test_nobody_is_shown_with_the_picture_of_who_had_their_seat_before(idle_room: Room) -> None:
    monitor, key = idle_room.monitor, SeatKey("main", "alice")
    monitor.pipeline.add(key, LatestFrames(4), 0.0).last_received = gray_frame(ALICE, 0.0, 0.0)
    monitor.participant_joined("main", "alice")
    assert monitor.thumbnail("main", "alice") is None


async def test_who_joins_after_the_engine_has_failed_for_good_is_told_without_a_verdict(
    room: Room, alice_template: Template, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise BackendFailedError("device lost")

    monkeypatch.setattr(room.engine, "reset", fail)
    monkeypatch.setattr(room.engine, "step", fail)
    room.store.put(alice_template)
    frames = room.monitor.participant_joined("main", "alice")
    await room.until_action("enrolled")
    await room.play(frames, 1, ALICE)
    change = await room.until_state(DriverState.ABSTAIN)
    assert isinstance(change, StateEvent)
    assert change.abstain_reason is AbstainReason.ENGINE_FAILED


async def test_erasing_a_template_clears_its_seats(room: Room, alice_template: Template) -> None:
    room.store.put(alice_template)
    room.monitor.participant_joined("main", "alice")
    await room.until_action("enrolled")
    await room.monitor.delete_template("alice")
    await room.until_action("seat_cleared")
    assert room.monitor.participants("main")[0].enrolled_as is None


async def test_who_is_enrolled_again_is_compared_again_on_rejoining(room: Room, alice_template: Template) -> None:
    """In whichever call or program that was: erasing a template says nothing against the next one."""
    room.store.put(alice_template)
    room.monitor.participant_joined("main", "alice")
    await room.until_action("enrolled")
    await room.monitor.delete_template("alice")
    await room.until_action("seat_cleared")
    room.monitor.participant_left("main", "alice", "bye")
    room.store.put(alice_template)
    room.monitor.participant_joined("main", "alice")
    assert (await room.until_action("enrolled")).enrolled_as == "alice"


async def test_nobody_is_compared_with_a_template_that_has_expired(room: Room, alice_template: Template) -> None:
    room.store.put(alice_template)
    frames = room.monitor.participant_joined("main", "alice")
    await room.until_action("enrolled")
    await room.play(frames, 1, ALICE)
    await room.monitor.expire_templates(alice_template.created + timedelta(days=31))
    await room.until_action("seat_cleared")
    await room.until_state(DriverState.UNENROLLED)
    assert room.monitor.participants("main")[0].enrolled_as is None


async def test_a_template_that_another_process_has_erased_is_not_told_of_a_seat(
    room: Room, alice_template: Template
) -> None:
    room.store.put(alice_template)
    room.monitor.participant_joined("main", "guest")
    await room.monitor.set_seat("main", "guest", "alice")
    room.monitor.participant_left("main", "guest", "bye")
    room.store.delete("alice")
    room.monitor.participant_joined("main", "guest")
    await room.until_action("seat_cleared")
    assert room.monitor.participants("main")[0].enrolled_as is None


async def test_a_template_that_is_erased_while_a_join_reads_it_is_not_seated(
    room: Room, alice_template: Template, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.store.put(alice_template)
    read, go_on = Event(), Event()
    get = room.store.get

    def slow_get(name: str) -> Template:
        template = get(name)
        read.set()
        go_on.wait(20)
        return template

    monkeypatch.setattr(room.store, "get", slow_get)
    room.monitor.participant_joined("main", "alice")
    await asyncio.to_thread(read.wait, 20)
    erased = asyncio.create_task(room.monitor.delete_template("alice"))
    await asyncio.wait([erased], timeout=0.5)
    go_on.set()
    await erased
    await room.until_action("enrolled")
    await room.until_action("seat_cleared")
    assert room.monitor.participants("main")[0].enrolled_as is None


async def test_a_full_disk_fails_the_enrolment_and_keeps_the_old_template(
    room: Room, alice_template: Template, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.store.put(alice_template)

    def no_room(_template: Template) -> None:
        raise StoreError("the template store is full; free some space")

    monkeypatch.setattr(room.store, "put", no_room)
    frames = room.monitor.participant_joined("main", "alice")
    room.monitor.start_enrolment("main", "alice", "alice", CONSENT)
    await room.play(frames, 10, ALICE)
    assert "full" in (await room.until_action("enrolment_failed")).why
    assert room.store.get("alice").created == alice_template.created
    # Scores are told some times a second; a fast machine has gone through two seconds of frames before the next is due.
    score = asyncio.ensure_future(room.until(lambda event: isinstance(event, ScoreEvent)))
    while not score.done():
        await room.play(frames, 1, ALICE)
    await score


async def test_scores_carry_their_latency(room: Room) -> None:
    frames = room.monitor.participant_joined("main", "alice")
    await room.play(frames, 1, ALICE)
    score = await room.until(lambda event: isinstance(event, ScoreEvent) and event.latency is not None)
    assert isinstance(score, ScoreEvent)
    assert score.latency is not None
    assert score.latency.engine_ms >= 0


async def test_a_missing_face_is_told_as_a_reason(room: Room, alice_template: Template) -> None:
    room.store.put(alice_template)
    frames = room.monitor.participant_joined("main", "alice")
    await room.until_action("enrolled")
    await room.play(frames, 4, ALICE)
    await room.play(frames, 8, NOBODY)
    score = await room.until(lambda event: isinstance(event, ScoreEvent) and event.state is DriverState.ABSTAIN)
    assert isinstance(score, ScoreEvent)
    assert score.abstain_reason is AbstainReason.NO_FACE
    change = await room.until_state(DriverState.ABSTAIN)
    assert isinstance(change, StateEvent)
    assert change.abstain_reason is AbstainReason.NO_FACE
    assert change.why == "no verdict: no face"
    assert room.monitor.participants("main")[0].abstain_reason is AbstainReason.NO_FACE


async def test_cancelling_an_enrolment(room: Room) -> None:
    room.monitor.participant_joined("main", "alice")
    with pytest.raises(EnrolmentError, match="no enrolment"):
        room.monitor.cancel_enrolment("main", "alice")
    room.monitor.start_enrolment("main", "alice", "alice", CONSENT)
    room.monitor.cancel_enrolment("main", "alice")
    assert (await room.until_action("enrolment_failed")).why == "cancelled"
    assert room.monitor.participants("main")[0].enrolment_progress is None


async def test_who_is_not_here_cannot_be_asked_for(room: Room) -> None:
    with pytest.raises(NotInCallError):
        room.monitor.start_enrolment("main", "nobody", "nobody", CONSENT)
    with pytest.raises(NotInCallError):
        await room.monitor.set_seat("main", "nobody", "alice")
    room.monitor.participant_joined("main", "bob")
    with pytest.raises(UnknownNameError):
        await room.monitor.set_seat("main", "bob", "alice")


async def test_thumbnails_show_the_newest_frame(room: Room) -> None:
    frames = room.monitor.participant_joined("main", "alice")
    assert room.monitor.thumbnail("main", "alice") is None
    await room.play(frames, 1, ALICE)
    await room.until(lambda event: isinstance(event, ScoreEvent))
    picture = room.monitor.thumbnail("main", "alice")
    assert picture is not None
    assert picture.startswith(b"\xff\xd8")
