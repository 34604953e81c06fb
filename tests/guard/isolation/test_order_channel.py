"""Orders to a worker that does not read them: they are bounded, and closing does not wait for them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from guard.errors import SignallingError
from guard.isolation import order_channel
from guard.isolation.messages import EndPeer, TakeOffer, read_order
from guard.isolation.order_channel import OrderChannel

END = EndPeer(peer=1, why="it is over")
OFFER = TakeOffer(request=1, peer=1, sdp="v" * 100_000, streams={}, multistream=False)


@pytest.fixture
async def worker(channel: OrderChannel) -> AsyncIterator[socket.socket]:
    """The other end of `channel`."""
    ours, theirs = socket.socketpair()
    with theirs:
        await channel.open(ours)
        yield theirs
        channel.close()
        # The transport closes its socket in the next round of the loop.
        await asyncio.sleep(0)


@pytest.fixture
def channel(monkeypatch: pytest.MonkeyPatch) -> OrderChannel:
    monkeypatch.setattr(order_channel, "_MAX_QUEUED_BYTES", 1_000_000)
    monkeypatch.setattr(order_channel, "_SPARE_BYTES", 1000)
    return OrderChannel()


def fill(channel: OrderChannel) -> int:
    """Ask until it is refused; how often it was not."""
    for taken in range(100):
        try:
            channel.ask(OFFER)
        except SignallingError as error:
            assert error.status == 503
            return taken
    raise AssertionError("no limit")


async def read(worker: socket.socket, size: int) -> bytes:
    worker.setblocking(False)
    text = b""
    async with asyncio.timeout(20):
        while len(text) < size:
            text += await asyncio.get_running_loop().sock_recv(worker, 65_536)
    return text


@pytest.mark.usefixtures("worker")
async def test_no_more_waits_than_the_limit_and_what_ends_something_has_room_beyond(channel: OrderChannel) -> None:
    # Whatever the socket itself holds comes on top of the ten that fit.
    assert 9 <= fill(channel) < 20
    channel.send(END)
    assert not channel.is_overrun
    for _ in range(20):
        channel.send(END)
    channel.send(END.model_copy(update={"why": "x" * 100_000}))
    assert channel.is_overrun


async def test_a_worker_that_was_held_up_gets_every_order_that_was_taken(
    channel: OrderChannel, worker: socket.socket
) -> None:
    taken = fill(channel)
    channel.send(END)
    size = taken * (len(OFFER.model_dump_json()) + 1) + len(END.model_dump_json()) + 1
    lines = (await read(worker, size)).splitlines()
    assert [read_order(line) for line in lines] == [OFFER] * taken + [END]
    channel.ask(OFFER)
    assert not channel.is_overrun


async def test_closing_drops_what_was_not_read_and_what_comes_after(
    channel: OrderChannel, worker: socket.socket
) -> None:
    fill(channel)
    channel.close()
    await asyncio.sleep(0)
    for _ in range(100):
        channel.ask(OFFER)
    channel.send(END)
    received = 0
    worker.setblocking(True)
    while got := len(worker.recv(65_536)):
        received += got
    assert received < 1_000_000
    assert not channel.is_overrun


async def test_before_it_is_open_orders_are_lost(channel: OrderChannel) -> None:
    channel.ask(OFFER)
    channel.send(END)
    channel.close()
    assert not channel.is_overrun
