"""The WHIP client: what its user hears when the guard is not there or says no."""

from __future__ import annotations

import asyncio

import pytest

from guard.calls.publisher import WhipPublisher
from guard.calls.whip_client import post_offer
from guard.errors import ServerError
from tests.whip_endpoint import TOKEN, Endpoint, numbered_frames, until


def publisher(url: str, token: str = TOKEN) -> WhipPublisher:
    return WhipPublisher(url, token, numbered_frames(), loopback=True)


async def test_a_wrong_token_is_named(endpoint: Endpoint) -> None:
    with pytest.raises(ServerError, match=r"refused the connection \(401\).*bearer token"):
        await publisher(endpoint.seat("ann"), token="wrong").start()


async def test_a_taken_seat_is_named_and_not_disturbed(endpoint: Endpoint) -> None:
    async with publisher(endpoint.seat("ann")):
        await until(lambda: endpoint.listener.received("ann") > 0)
        with pytest.raises(ServerError, match="already connected"):
            await publisher(endpoint.seat("ann")).start()
        assert endpoint.listener.of("ann") == ["joined"]


async def test_a_guard_that_is_not_there(unused_tcp_port: int) -> None:
    with pytest.raises(ServerError, match="is it running"):
        await publisher(f"http://127.0.0.1:{unused_tcp_port}/whip/standup/ann").start()


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "file:///etc/passwd", "127.0.0.1:80", ""])
def test_only_http_addresses_are_asked(url: str) -> None:
    with pytest.raises(ServerError, match="no http or https address"):
        post_offer(url, TOKEN, "v=0")


async def test_stopping_twice_and_restarting_the_seat(endpoint: Endpoint) -> None:
    first = publisher(endpoint.seat("ann"))
    await first.start()
    await first.stop()
    await first.stop()
    assert len(endpoint.sink) == 0
    async with publisher(endpoint.seat("ann")):
        await until(lambda: endpoint.listener.of("ann")[-1] == "joined")


async def test_the_end_of_the_guard_ends_the_publishing(endpoint: Endpoint) -> None:
    async with publisher(endpoint.seat("ann")) as sending:
        await until(lambda: endpoint.listener.received("ann") > 0)
        ended = asyncio.create_task(sending.wait_ended())
        await endpoint.sink.close()
        done, _ = await asyncio.wait({ended}, timeout=20)
        assert done == {ended}
        assert ended.exception() is None
