"""A visit to a LiveKit room, with an SDK that the test plays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

import pytest

from guard.calls.call_source import CallSource, SourceState, SourceStats
from guard.calls.livekit import visit as visit_module
from guard.calls.livekit.sdk import Sdk
from guard.calls.livekit.source import room_source
from guard.calls.livekit.visit import Admission, simulcast_layer
from guard.calls.seats import Seats
from guard.config import CallsConfig
from guard.errors import JoinError
from tests.guard.calls.livekit.fake_sdk import (
    KIND_AUDIO,
    NV12,
    PARTICIPANT_REMOVED,
    SIGNAL_CLOSE,
    SOURCE_SCREENSHARE,
    FakeRoom,
    FakeSdk,
)
from tests.whip_endpoint import Recorder, number_of, until


@dataclass
class Visited:
    """A source in a room of the fake SDK."""

    source: CallSource
    sdk: FakeSdk
    listener: Recorder
    changes: list[SourceStats] = field(default_factory=list)

    @property
    def room(self) -> FakeRoom:
        return self.sdk.given[-1]

    @property
    def seen(self) -> list[str]:
        """Whose video is received now."""
        return [track.participant for track in self.source.tracks]

    async def received(self, who: str, count: int) -> None:
        await until(lambda: self.listener.received(who) == count)


@asynccontextmanager
async def visiting(*rooms: FakeRoom, config: CallsConfig | None = None) -> AsyncIterator[Visited]:
    sdk, listener = FakeSdk(list(rooms) or [FakeRoom()]), Recorder()
    changes: list[SourceStats] = []
    settings = config or CallsConfig()
    source = room_source(
        cast("Sdk", sdk),
        Admission("wss://h", lambda: "t0ken"),
        "standup",
        settings,
        Seats(listener, settings.max_participants),
        changes.append,
    )
    await source.connect()
    await until(lambda: bool(sdk.given) and sdk.given[0].given is not None)
    try:
        yield Visited(source, sdk, listener, changes)
    finally:
        await source.close()


async def test_everybody_with_a_camera_is_seen_and_leaves_with_it() -> None:
    room = FakeRoom()
    room.publish("Ann Lee", "TR_a", height=720)
    async with visiting(room) as call:
        await until(lambda: call.source.stats().state is SourceState.JOINED)
        ben = room.publish("ben", "TR_b", height=360)
        await until(lambda: len(call.source.tracks) == 2)
        ann = room.remote_participants["Ann Lee"].track_publications["TR_a"]
        ann.stream.play(5)
        ben.stream.play(3)
        await call.received("Ann-Lee", 5)
        await call.received("ben", 3)
        assert (ann.qualities, ben.qualities) == ([1], [2])
        room.leave("ben")
        await until(lambda: call.listener.of("ben") == ["joined", "left"])
        assert ben.stream.closed
    frames = call.listener.take("Ann-Lee")
    assert [number_of(frame) for frame in frames] == [0, 1, 2, 3, 4]
    assert [frame.pts_seconds for frame in frames] == pytest.approx([n / 30 for n in range(5)], abs=1e-5)
    assert call.listener.of("Ann-Lee") == ["joined", "left"]
    assert (room.disconnects, room.given) == (1, ("wss://h", "t0ken", {"relay_only": False}))


async def test_sound_and_screens_are_not_taken() -> None:
    async with visiting() as call:
        sound = call.room.publish("ann", "TR_s", kind=KIND_AUDIO)
        screen = call.room.publish("ann", "TR_x", source=SOURCE_SCREENSHARE)
        camera = call.room.publish("ann", "TR_c")
        await until(lambda: camera.subscribed)
        assert not sound.subscribed
        assert not screen.subscribed


async def test_another_camera_of_the_same_person_takes_over() -> None:
    async with visiting() as call:
        first = call.room.publish("ann", "TR_1")
        await until(lambda: first.subscribed)
        second = call.room.publish("ann", "TR_2", simulcasted=False)
        first.stream.play(2)
        await call.received("ann", 2)
        assert not second.subscribed
        call.room.unpublish(first)
        await until(lambda: second.subscribed and len(call.source.tracks) == 1)
        second.stream.play(1)
        await until(lambda: call.listener.of("ann") == ["joined", "left", "joined"])
        assert second.qualities == []


async def test_no_more_people_than_seats() -> None:
    async with visiting(config=CallsConfig(max_participants=1)) as call:
        ann = call.room.publish("ann", "TR_a")
        await until(lambda: call.seen == ["ann"])
        ben = call.room.publish("ben", "TR_b")
        ann.stream.play(2)
        await call.received("ann", 2)
        assert (call.seen, ben.requests) == (["ann"], [])
        call.room.leave("ann")
        await until(lambda: call.seen == ["ben"])
        ben.stream.play(1)
        await call.received("ben", 1)
    assert call.listener.events == [(what, "standup", who) for who in ("ann", "ben") for what in ("joined", "left")]


async def test_a_large_picture_ends_its_stream_until_the_camera_is_switched_on_anew() -> None:
    async with visiting(config=CallsConfig(max_width_px=320)) as call:
        ann = call.room.publish("ann", "TR_a")
        await until(lambda: ann.subscribed)
        stream = ann.stream
        stream.play(2)
        stream.play(1, first=2, width=640, height=360)
        await until(lambda: call.listener.of("ann") == ["joined", "left"])
        assert call.listener.reasons == ["the video is larger than this guard accepts"]
        await until(lambda: not ann.subscribed and stream.closed)
        call.room.emit("track_unmuted", call.room.remote_participants["ann"], ann)
        await until(lambda: ann.subscribed)


async def test_nobody_shakes_the_guard_off_by_one_large_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visit_module, "ASK_AGAIN_SECONDS", 0.05)
    async with visiting(config=CallsConfig(max_width_px=320)) as call:
        ann = call.room.publish("ann", "TR_a")
        for times in (1, 2):
            await until(lambda: ann.subscribed and len(call.source.tracks) == 1)
            ann.stream.play(2)
            ann.stream.play(1, first=2, width=640, height=360)
            await until(lambda times=times: call.listener.of("ann") == ["joined", "left"] * times)  # type: ignore[misc]
        await until(lambda: ann.subscribed and len(call.source.tracks) == 1)
    assert call.listener.reasons[:2] == ["the video is larger than this guard accepts"] * 2


async def test_a_track_that_cannot_be_had_is_let_alone_until_it_is_time_to_ask_again() -> None:
    async with visiting() as call:
        broken = call.room.publish("ann", "TR_1", fails=True)
        await until(lambda: broken.subscribed)
        assert (call.seen, call.listener.events) == ([], [])
        other = call.room.publish("ann", "TR_2")
        await until(lambda: call.seen == ["ann"])
        other.stream.play(1)
        await call.received("ann", 1)
        call.room.unpublish(other)
        await until(lambda: call.listener.of("ann") == ["joined", "left"])
        ben = call.room.publish("ben", "TR_3")
        await until(lambda: ben.subscribed)
        assert (broken.requests, other.requests) == ([True], [True])
        call.room.emit("reconnected")
        await until(lambda: broken.requests == [True, True])
        assert other.requests == [True]


async def test_what_was_asked_for_in_vain_is_asked_for_again() -> None:
    async with visiting() as call:
        ann = call.room.publish("ann", "TR_a", deaf=True)
        await until(lambda: ann.subscribed)
        assert (call.seen, ann.requests) == ([], [True])
        ann.deaf = False
        call.room.emit("reconnected")
        await until(lambda: call.seen == ["ann"])
        ann.stream.play(1)
        await call.received("ann", 1)
        call.room.emit("reconnected")
        ben = call.room.publish("ben", "TR_b")
        await until(lambda: ben.subscribed)
        assert ann.requests == [True, True]


async def test_jumps_interruptions_and_foreign_formats_are_gaps() -> None:
    async with visiting() as call:
        ann = call.room.publish("ann", "TR_a")
        await until(lambda: ann.subscribed and len(call.source.tracks) == 1)
        ann.stream.play(2)
        ann.stream.play(2, first=2, start_us=10**13)
        await call.received("ann", 4)
        call.room.emit("reconnected")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        ann.stream.play(2, first=4, start_us=10**13)
        await call.received("ann", 6)
        ann.stream.play(1, first=6, start_us=10**13)
        ann.stream.pictures._queue[-1].frame.type = NV12  # type: ignore[attr-defined]
        ann.stream.play(1, first=7, start_us=10**13)
        await call.received("ann", 7)
    frames = call.listener.take("ann")
    assert [number_of(frame) for frame in frames if frame.after_gap] == [2, 4, 7]
    assert [frame.pts_seconds for frame in frames] == sorted({frame.pts_seconds for frame in frames})


async def test_too_many_pictures_are_left_out() -> None:
    async with visiting(config=CallsConfig(max_fps=15)) as call:
        ann = call.room.publish("ann", "TR_a")
        await until(lambda: ann.subscribed)
        ann.stream.play(60)
        await until(lambda: ann.stream.pictures.empty())
        assert 15 <= call.listener.received("ann") < 60


async def test_a_silent_camera_gives_its_seat_back() -> None:
    async with visiting(config=CallsConfig(frozen_seconds=1.1)) as call:
        ann = call.room.publish("ann", "TR_a")
        await until(lambda: ann.subscribed)
        ann.stream.play(1)
        await until(lambda: call.listener.of("ann") == ["joined", "left"])
        assert "no video for 1.1 s" in call.listener.reasons


async def test_the_lost_room_is_come_back_to() -> None:
    async with visiting(FakeRoom(), FakeRoom()) as call:
        ann = call.room.publish("ann", "TR_a")
        await until(lambda: ann.subscribed)
        ann.stream.play(1)
        await call.received("ann", 1)
        call.room.emit("disconnected", SIGNAL_CLOSE)
        await until(lambda: len(call.sdk.given) == 2 and call.source.stats().state is SourceState.JOINED)
        assert call.listener.of("ann") == ["joined", "left"]
        assert call.sdk.given[0].disconnects == 1


async def test_being_put_out_is_final() -> None:
    async with visiting() as call:
        await until(lambda: call.source.stats().state is SourceState.JOINED)
        call.room.emit("disconnected", PARTICIPANT_REMOVED)
        with pytest.raises(JoinError, match="put the guard out"):
            await call.source.wait_ended()


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("signal failure: http error 401 at wss://h/rtc?access_token=t0ken", SourceState.FAILED),
        ("signal failure: connection refused at wss://h/rtc?access_token=t0ken", SourceState.WAITING),
    ],
)
async def test_a_refusal_does_not_repeat_the_token(text: str, state: SourceState) -> None:
    async with visiting(FakeRoom(refuses=text), FakeRoom(refuses=text)) as call:
        await until(lambda: call.source.stats().state is state)
        assert "t0ken" not in str(call.changes)


async def test_a_connection_that_comes_about_too_late_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visit_module, "JOIN_SECONDS", 0.05)
    late = asyncio.Event()
    slow = FakeRoom(waits=late)
    async with visiting(slow, FakeRoom(), config=CallsConfig(close_seconds=0.05)) as call:
        await until(lambda: call.source.stats().state is SourceState.WAITING)
        assert "lets nobody in" in (call.source.stats().why or "")
        assert slow.disconnects == 0
        late.set()
        await until(lambda: slow.disconnects == 1)
        assert not slow.connected
    assert (slow.disconnects, call.listener.events) == (1, [])


async def test_a_stream_that_does_not_close_holds_nobody_up() -> None:
    async with visiting(config=CallsConfig(close_seconds=0.05, max_participants=1)) as call:
        ann = call.room.publish("ann", "TR_a")
        await until(lambda: ann.subscribed)
        ann.stream.hangs = True
        ann.stream.play(1)
        await call.received("ann", 1)
        ben = call.room.publish("ben", "TR_b")
        call.room.leave("ann")
        await until(lambda: call.seen == ["ben"])
        assert call.listener.of("ann") == ["joined", "left"]
        assert (call.listener.reasons, ann.stream.closed) == (["the participant left"], False)
        ben.stream.play(1)
        await call.received("ben", 1)
    assert (ben.stream.closed, call.room.disconnects) == (True, 1)


@pytest.mark.parametrize(("full", "layer"), [(1440, 0), (1439, 1), (720, 1), (719, 2), (0, 2)])
def test_the_smallest_layer_that_is_tall_enough(full: int, layer: int) -> None:
    assert simulcast_layer(full) == layer
