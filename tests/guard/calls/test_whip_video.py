"""Video over real WebRTC on loopback: what was sent is what arrives."""

from __future__ import annotations

import asyncio
import itertools
import time

import pytest

from guard.calls.publisher import WhipPublisher
from guard.config import CallsConfig
from tests.whip_endpoint import (
    TOKEN,
    Endpoint,
    Recorder,
    number_of,
    numbered_frames,
    running_endpoint,
    until,
)


def publisher(endpoint: Endpoint, participant: str, codec: str = "VP8") -> WhipPublisher:
    return WhipPublisher(endpoint.seat(participant), TOKEN, numbered_frames(), codec=codec, loopback=True)


@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_every_frame_arrives_once_in_order_and_right(endpoint: Endpoint, codec: str) -> None:
    async with publisher(endpoint, "ann", codec):
        await until(lambda: endpoint.listener.received("ann") >= 45)

    frames = endpoint.listener.take("ann")
    numbers = [number_of(frame) for frame in frames]
    first = numbers[0]
    assert first is not None
    assert numbers == list(range(first, first + len(numbers)))
    assert not any(frame.after_gap for frame in frames)


async def test_media_time_starts_at_zero_and_follows_the_frame_rate(endpoint: Endpoint) -> None:
    async with publisher(endpoint, "ann"):
        await until(lambda: endpoint.listener.received("ann") >= 20)

    frames = endpoint.listener.take("ann")
    assert frames[0].pts_seconds == 0
    for earlier, later in itertools.pairwise(frames):
        ticks = (later.pts_seconds - earlier.pts_seconds) * 30
        assert ticks == pytest.approx(round(ticks), abs=0.01)
        assert ticks > 0.5
        assert later.arrival_seconds >= earlier.arrival_seconds


async def test_capture_time_comes_with_the_first_sender_report(endpoint: Endpoint) -> None:
    async with publisher(endpoint, "ann"):
        queue = endpoint.listener.queues
        seen: list[float | None] = []

        def has_capture_time() -> bool:
            if ("standup", "ann") in queue:
                seen.extend(frame.capture_seconds for frame in endpoint.listener.take("ann"))
            return any(capture is not None for capture in seen)

        await until(has_capture_time)
    capture = next(capture for capture in seen if capture is not None)
    # Same machine, same clock: a wrong epoch or time base would be off by years or hours.
    assert abs(time.time() - capture) < 10


async def test_participants_of_one_call_do_not_mix(endpoint: Endpoint) -> None:
    dark = WhipPublisher(endpoint.seat("dark"), TOKEN, numbered_frames(width=160, height=120), loopback=True)
    wide = WhipPublisher(endpoint.seat("wide"), TOKEN, numbered_frames(width=320, height=180), loopback=True)
    async with dark, wide:
        await until(lambda: min(map(endpoint.listener.received, ("dark", "wide"))) >= 10)
        assert len(endpoint.sink) == 2

    assert {frame.image.height for frame in endpoint.listener.take("dark")} == {120}
    assert {frame.image.height for frame in endpoint.listener.take("wide")} == {180}
    assert endpoint.listener.of("dark") == endpoint.listener.of("wide") == ["joined", "left"]


async def test_a_track_that_nobody_reads_is_drained_and_its_drops_counted() -> None:
    listener = Recorder(capacity=2)
    async with running_endpoint(CallsConfig(loopback=True), listener) as endpoint:
        async with publisher(endpoint, "ann"):
            await until(lambda: listener.received("ann") >= 30)
        queue = listener.queues["standup", "ann"]
        assert len(queue) == 2
        assert queue.dropped == queue.received - 2
        newest = listener.take("ann")[-1]
        assert number_of(newest) is not None


async def test_a_finished_frame_source_ends_the_wait(endpoint: Endpoint) -> None:
    source = numbered_frames(count=5)
    async with WhipPublisher(endpoint.seat("ann"), TOKEN, source, loopback=True) as sending:
        async with asyncio.timeout(20):
            await sending.wait_ended()
    assert endpoint.listener.of("ann") == ["joined", "left"]


async def test_a_failing_frame_source_is_reported(endpoint: Endpoint) -> None:
    def broken() -> None:
        raise RuntimeError("the camera fell off")

    async with WhipPublisher(endpoint.seat("ann"), TOKEN, broken, loopback=True) as sending:
        with pytest.raises(RuntimeError, match="fell off"):
            async with asyncio.timeout(20):
                await sending.wait_ended()
