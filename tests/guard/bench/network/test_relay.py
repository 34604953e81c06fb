"""The relay in a real call on loopback: media has no way around it."""

from __future__ import annotations

import asyncio

import pytest

from guard.bench.network.impairment import Impairment
from guard.bench.network.relay import ImpairedRelay
from guard.calls.publisher import WhipPublisher
from guard.config import CallsConfig
from tests.whip_endpoint import TOKEN, Endpoint, Recorder, number_of, numbered_frames, running_endpoint, until

NOTHING, EVERYTHING = Impairment(), Impairment(loss=1.0)


def publisher(endpoint: Endpoint, relay: ImpairedRelay) -> WhipPublisher:
    return WhipPublisher(endpoint.seat("ann"), TOKEN, numbered_frames(), loopback=True, exchange=relay.exchange)


async def test_a_harmless_relay_changes_nothing() -> None:
    async with (
        running_endpoint(CallsConfig(loopback=True), Recorder()) as endpoint,
        ImpairedRelay(to_guard=NOTHING, to_client=NOTHING, seed=1) as relay,
        publisher(endpoint, relay),
    ):
        relay.start_impairing()
        await until(lambda: endpoint.listener.received("ann") >= 30)
        numbers = [number_of(frame) for frame in endpoint.listener.take("ann")]
    first = numbers[0]
    assert first is not None
    assert numbers == list(range(first, first + len(numbers)))
    assert relay.to_guard.packets.taken >= 30
    assert relay.to_guard.packets.lost == relay.to_client.packets.lost == 0


async def test_when_the_relay_loses_all_media_none_arrives_and_the_call_stands() -> None:
    async with (
        running_endpoint(CallsConfig(loopback=True), Recorder()) as endpoint,
        ImpairedRelay(to_guard=EVERYTHING, to_client=NOTHING, seed=1) as relay,
        publisher(endpoint, relay),
    ):
        await until(lambda: endpoint.listener.received("ann") >= 10)
        relay.start_impairing()
        await until(lambda: relay.to_guard.packets.lost >= 5)
        received = endpoint.listener.received("ann")
        await until(lambda: relay.to_guard.packets.lost >= 35)
        # At most what was in the jitter buffer and the decoder when the first packet was lost.
        assert endpoint.listener.received("ann") <= received + 2
        assert endpoint.listener.of("ann") == ["joined"]


async def test_a_lost_packet_is_asked_for_again_and_the_relay_sees_it() -> None:
    async with (
        running_endpoint(CallsConfig(loopback=True), Recorder()) as endpoint,
        ImpairedRelay(to_guard=Impairment(loss=0.2), to_client=NOTHING, seed=1) as relay,
        publisher(endpoint, relay),
    ):
        relay.start_impairing()
        await until(lambda: relay.to_client.feedback.nacks > 0)
    assert relay.to_guard.packets.lost > 0


async def test_strangers_are_not_relayed() -> None:
    loop = asyncio.get_running_loop()
    async with ImpairedRelay(to_guard=NOTHING, to_client=NOTHING, seed=1) as relay:
        for socket in (relay._facing_client, relay._facing_guard):
            transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=socket.address)
            transport.sendto(b"\x80hello")
            transport.close()
        await until(lambda: relay._clientwards.receiver is not None)
        await asyncio.sleep(0)
        # Nobody behind it yet, and nobody but the guard may answer.
        assert relay.to_client.packets.taken == 0
        assert relay.to_client.next_seconds is None


async def test_a_closed_relay_has_no_address() -> None:
    relay = ImpairedRelay(to_guard=NOTHING, to_client=NOTHING, seed=1)
    async with relay:
        assert relay._facing_client.address[0] == "127.0.0.1"
    with pytest.raises(RuntimeError, match="not running"):
        _ = relay._facing_client.address
