"""The guard as a guest of a real Janus: who comes and goes, who may come in, and who sees whom."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from websockets.exceptions import ConnectionClosedError

from guard.calls.janus.requests import Admission
from guard.calls.janus.session import JanusSession
from guard.calls.janus.visit import RoomVisit
from guard.calls.peer import peers_here
from guard.config import CallsConfig
from guard.errors import JoinError
from tests.e2e.janus_publisher import JanusPublisher
from tests.e2e.janus_room import ADMIN_KEY, OPEN_ROOM, PIN, PIN_ROOM, PRIVATE_ID_ROOM, Janus, ask
from tests.whip_endpoint import Recorder, number_of, until

ENOUGH = 20
TOKEN = "a-ticket"
GUARD = "the guard (watching)"


@dataclass
class Guest:
    """The guard in a room."""

    listener: Recorder
    running: asyncio.Task[str]

    def numbers(self, participant: str) -> list[int | None]:
        """The numbers in all frames that wait in the queue of one seat."""
        return [number_of(frame) for frame in self.listener.take(participant)]

    async def receives(self, *participants: str) -> None:
        """Wait until more frames of all of these have come."""
        before = {name: self.listener.received(name) for name in participants}
        await until(lambda: all(self.listener.received(name) >= before[name] + ENOUGH for name in participants))

    async def end(self) -> str:
        """Wait until the visit has ended by itself; raises JoinError where that is for good, or it was none."""
        async with asyncio.timeout(20):
            return await self.running

    async def refusal(self) -> JoinError:
        """Why the visit ended for good."""
        with pytest.raises(JoinError) as refused:
            await self.end()
        assert not refused.value.retryable
        return refused.value


@asynccontextmanager
async def visiting(
    janus: Janus, room: int, *, pin: str | None = None, token: str | None = None, display: str | None = GUARD
) -> AsyncIterator[Guest]:
    listener = Recorder()
    session = JanusSession(Admission(room, pin, token), display, 4, lambda: secrets.token_hex(8))
    visit = RoomVisit(janus.url, session, "standup", 65_536, peers_here(CallsConfig(), listener))
    running = asyncio.create_task(visit.run(lambda: None))
    try:
        yield Guest(listener, running)
    finally:
        running.cancel()
        await asyncio.wait({running})


async def test_people_come_and_go_and_every_frame_stays_with_its_sender(janus: Janus) -> None:
    async with visiting(janus, OPEN_ROOM) as guest, JanusPublisher(janus.url, OPEN_ROOM, "Bob", 20_000):
        async with JanusPublisher(janus.url, OPEN_ROOM, "Alice Ä.", 10_000):
            await guest.receives("Alice-A", "Bob")
        await until(lambda: guest.listener.of("Alice-A") == ["joined", "left"])
        alice = guest.numbers("Alice-A")
        async with JanusPublisher(janus.url, OPEN_ROOM, "Carol", 30_000):
            await guest.receives("Carol", "Bob")
            assert guest.listener.of("Bob") == ["joined"], "nobody else notices"
            for first, numbers in ((10_000, alice), (20_000, guest.numbers("Bob")), (30_000, guest.numbers("Carol"))):
                assert len(numbers) >= ENOUGH
                assert all(number in range(first, first + 5000) for number in numbers if number is not None)
                assert None not in numbers


async def test_a_pin_opens_the_room_and_a_wrong_one_does_not(janus: Janus) -> None:
    async with JanusPublisher(janus.url, PIN_ROOM, "alice", pin=PIN):
        async with visiting(janus, PIN_ROOM, pin=PIN) as guest:
            await guest.receives("alice")
        for pin in (None, "wrong"):
            async with visiting(janus, PIN_ROOM, pin=pin) as guest:
                assert "pin" in str(await guest.refusal())


async def test_a_room_may_demand_the_private_id_of_somebody_who_joined(janus: Janus) -> None:
    async with JanusPublisher(janus.url, PRIVATE_ID_ROOM, "alice", pin=PIN):
        async with visiting(janus, PRIVATE_ID_ROOM, pin=PIN) as guest:
            await guest.receives("alice")
        async with visiting(janus, PRIVATE_ID_ROOM, pin=PIN, display=None) as guest:
            assert "join visibly" in str(await guest.refusal())


async def test_a_token_lets_the_guard_into_a_room_that_wants_one(janus: Janus) -> None:
    allowed = {"request": "allowed", "secret": ADMIN_KEY, "room": OPEN_ROOM}
    await ask(janus.url, {**allowed, "action": "enable"})
    await ask(janus.url, {**allowed, "action": "add", "allowed": [TOKEN, "another"]})
    async with JanusPublisher(janus.url, OPEN_ROOM, "alice", token="another"):
        async with visiting(janus, OPEN_ROOM, token=TOKEN) as guest:
            await guest.receives("alice")
        async with visiting(janus, OPEN_ROOM) as guest:
            assert "not in the allowed list" in str(await guest.refusal())
            assert guest.listener.queues == {}


@pytest.mark.parametrize(("display", "seen"), [(GUARD, ["alice", GUARD]), (None, ["alice"])])
async def test_the_others_see_the_guard_unless_it_hides(janus: Janus, display: str | None, seen: list[str]) -> None:
    async with visiting(janus, OPEN_ROOM, display=display) as guest:
        async with JanusPublisher(janus.url, OPEN_ROOM, "alice"):
            await guest.receives("alice")
            present = await ask(janus.url, {"request": "listparticipants", "room": OPEN_ROOM})
            assert sorted(person["display"] for person in present["participants"]) == seen
        await until(lambda: guest.listener.of("alice") == ["joined", "left"])


async def test_a_guard_that_is_shown_the_door_does_not_come_back(janus: Janus) -> None:
    async with visiting(janus, OPEN_ROOM) as guest, JanusPublisher(janus.url, OPEN_ROOM, "alice"):
        await guest.receives("alice")
        present = await ask(janus.url, {"request": "listparticipants", "room": OPEN_ROOM})
        [own] = [person["id"] for person in present["participants"] if person["display"] == GUARD]
        await ask(janus.url, {"request": "kick", "room": OPEN_ROOM, "secret": ADMIN_KEY, "id": own})
        assert "removed from the room by its moderator" in str(await guest.refusal())
        assert guest.listener.of("alice") == ["joined", "left"]


async def is_told_of_a_destroyed_room(janus: Janus) -> bool:
    """False where Janus itself died of destroying it, as seen once on a busy machine."""
    async with visiting(janus, OPEN_ROOM) as guest, JanusPublisher(janus.url, OPEN_ROOM, "alice"):
        await guest.receives("alice")
        try:
            await ask(janus.url, {"request": "destroy", "room": OPEN_ROOM, "secret": ADMIN_KEY})
        except ConnectionClosedError:
            if await asyncio.to_thread(janus.exit_code) is None:
                raise
            return False
        assert await guest.end() == "the room was destroyed"
        assert guest.listener.of("alice") == ["joined", "left"]
    return True


async def test_rooms_that_vanish_end_the_visit_but_not_for_good(janus: Janus) -> None:
    if not await is_told_of_a_destroyed_room(janus):
        janus.start()
        assert await is_told_of_a_destroyed_room(janus)
    async with visiting(janus, OPEN_ROOM) as guest:
        with pytest.raises(JoinError, match="No such room") as missing:
            await guest.end()
        assert missing.value.retryable


async def test_a_server_that_dies_ends_every_stream(janus: Janus) -> None:
    async with visiting(janus, OPEN_ROOM) as guest, JanusPublisher(janus.url, OPEN_ROOM, "alice"):
        await guest.receives("alice")
        await asyncio.to_thread(janus.kill)
        assert "closed the connection" in await guest.end()
        assert guest.listener.of("alice") == ["joined", "left"]
