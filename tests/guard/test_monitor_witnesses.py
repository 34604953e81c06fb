"""The monitor with witnesses: enrolled with their parts, heard beside the engine, told in events of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from engines.witnesses.fusion_table import ENGINE, FusedSet
from guard.calls.source import LatestFrames
from guard.config import GuardConfig, StoreConfig, VerifyConfig
from guard.media.front_end import FaceFrontEnd
from guard.monitor import Monitor
from guard.seat_key import SeatKey
from guard.serve.events import ParticipantEvent, WitnessesEvent
from guard.serve.hub import EventHub
from guard.serve.service import Consent
from guard.verify.fusion import Fusion
from guard.verify.store import TemplateStore
from guard.verify.witness_set import WitnessSet
from tests.guard.conftest import BrightnessEngine
from tests.guard.made_room import FPS, Room, running
from tests.guard.verify.made_witnesses import Mover, made_panel_witnesses, made_table

SEAT = SeatKey("main", "alice")
CONSENT = Consent(statement="I agree.", given_by="alice", text_version="1")
SAME, OTHER = Mover(1), Mover(2)


def weighed(engine_sha256: str) -> Fusion:
    models = {ENGINE: engine_sha256, "expression_dynamics": "c" * 64, "facial_codes": "c" * 64}
    weights = {ENGINE: 1.0, "expression_dynamics": 0.5, "facial_codes": 0.5}
    return Fusion(made_table(models, FusedSet(weights=weights, bias=0.0)), models)


@dataclass(kw_only=True)
class TrackedRoom(Room):
    """With one participant, who is tracked."""

    engine: BrightnessEngine

    async def play(self, frames: LatestFrames, who: Mover | None, seconds: float) -> None:
        witnesses = self.monitor.opinions.witnesses
        assert witnesses is not None
        async with asyncio.timeout(60):
            for step in range(round(seconds * FPS)):
                while len(frames) > 2 or witnesses.waiting > 2:  # noqa: ASYNC110 - both threads keep up
                    await asyncio.sleep(0)
                self.push(frames)
                if who is not None and step % 2 == 0:
                    witnesses.observe(SEAT, who.at(self.media_seconds), self.now)

    async def enrol(self, frames: LatestFrames, who: Mover | None) -> ParticipantEvent:
        self.monitor.start_enrolment(*SEAT, "alice", CONSENT)
        await self.play(frames, who, 12)
        event = await self.until(lambda event: isinstance(event, ParticipantEvent) and event.action == "enrolled")
        assert isinstance(event, ParticipantEvent)
        return event

    def newest(self) -> WitnessesEvent:
        """The last one of those that have come so far."""
        found: WitnessesEvent | None = None
        while (published := self.feed.subscription.take()) is not None:
            found = published.event if isinstance(published.event, WitnessesEvent) else found
        assert found is not None
        return found


@pytest.fixture
async def room(
    tmp_path: Path, brightness_engine: BrightnessEngine, make_front_end: Callable[[], FaceFrontEnd]
) -> AsyncIterator[TrackedRoom]:
    config = GuardConfig(
        verify=VerifyConfig(enrolment_seconds=8, scores_per_second=30),
        store=StoreConfig(path=tmp_path / "templates.sqlite3"),
    )
    store, hub = TemplateStore(config.store), EventHub(5000, 5000)
    pictures = {"facial_codes": {"7.png": b"\x89PNG"}}
    witnesses = WitnessSet(tuple(made_panel_witnesses()[2]), weighed(brightness_engine.spec.model_sha256), pictures)
    monitor = Monitor(brightness_engine, config, store, hub, make_front_end, witnesses)
    async with running(TrackedRoom(monitor=monitor, store=store, engine=brightness_engine), hub) as room:
        yield room


async def test_enrolled_with_parts_then_heard_then_somebody_else_is_told(
    room: TrackedRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("guard.announcements._OPINIONS_SECONDS", 0.0)
    frames = room.monitor.participant_joined(*SEAT)
    assert (await room.enrol(frames, SAME)).why == ""
    assert [part.witness for part in room.store.get("alice").parts] == ["expression_dynamics", "facial_codes"]
    assert (await room.monitor.templates())[0].witnesses == ["expression_dynamics", "facial_codes"]
    await room.play(frames, SAME, 10)
    await asyncio.sleep(0)
    genuine = room.newest()
    assert [said.name for said in genuine.witnesses] == ["f5c", "expression_dynamics", "facial_codes"]
    assert genuine.fused_llr is not None
    assert genuine.fused_llr > 0
    await room.play(frames, OTHER, 10)
    await asyncio.sleep(0)
    other = room.newest()
    assert all(said.llr is not None and said.llr < 0 for said in other.witnesses[1:])
    assert other.movements
    assert other.movements[0].picture.startswith("/api/witnesses/facial_codes/pictures/")


async def test_without_a_tracked_face_the_engines_part_stands(room: TrackedRoom) -> None:
    frames = room.monitor.participant_joined(*SEAT)
    why = (await room.enrol(frames, None)).why
    assert "Expression dynamics has no part in it" in why
    assert "Facial movements has no part in it" in why
    kept = room.store.get("alice")
    assert kept.parts == ()
    assert len(kept.embeddings) > 0


async def test_pictures_come_from_the_checked_folder(room: TrackedRoom) -> None:
    assert room.monitor.witness_picture("facial_codes", "7.png") == b"\x89PNG"
    assert room.monitor.witness_picture("facial_codes", "8.png") is None
    assert room.monitor.witness_picture("../x", "7.png") is None


async def test_who_has_left_leaves_nothing_behind(room: TrackedRoom) -> None:
    frames = room.monitor.participant_joined(*SEAT)
    await room.play(frames, SAME, 2)
    room.monitor.participant_left(*SEAT, why="gone")
    assert room.monitor.opinions.witnesses is not None
    async with asyncio.timeout(20):
        while room.monitor.opinions.witnesses.opinion(SEAT) is not None:  # noqa: ASYNC110 - two threads have to get round to it
            await asyncio.sleep(0)
