"""What the bench takes out of the guard's events."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from guard.bench.network.call import CALL, PARTICIPANT, Watch
from guard.errors import SourceError
from guard.seat_key import SeatKey
from guard.serve.hub import EventHub
from guard.server import RunningGuard

NOW = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def hub() -> EventHub:
    return EventHub(100, 100, now=lambda: NOW)


@pytest.fixture
def seats() -> dict[SeatKey, Any]:
    return {}


@pytest.fixture
def watch(hub: EventHub, seats: dict[SeatKey, Any]) -> Watch:
    """Watches a guard that says what the test makes it say."""
    monitor = SimpleNamespace(pipeline=SimpleNamespace(seats=seats))
    return Watch(cast(RunningGuard, SimpleNamespace(hub=hub, monitor=monitor)))


def seat(pts: float, capture: float | None, received: int = 5) -> SimpleNamespace:
    frames = SimpleNamespace(received=received, dropped=1)
    return SimpleNamespace(frames=frames, last_received=SimpleNamespace(pts_seconds=pts, capture_seconds=capture))


def score(pts: float, total_ms: float | None) -> dict[str, object]:
    stages = dict.fromkeys(("queue_ms", "pixels_ms", "engine_ms", "verify_ms"), 1.0)
    latency = None if total_ms is None else {"total_ms": total_ms, **stages}
    figures = {"llr": 1.5, "evidence": 2.0, "similarity": 0.4, "valid_fraction": 0.9, "fps": 30.0}
    return {"type": "score", "pts_seconds": pts, "state": "verified", "latency": latency, **figures}


def test_a_score_knows_when_its_frame_was_sent_and_arrived(
    watch: Watch, hub: EventHub, seats: dict[SeatKey, Any]
) -> None:
    told = NOW.timestamp()
    # The report behind the second one was late by 4 ms; the sender's clock is read off the best.
    for pts, offset in ((1.0, 0.001), (2.0, 0.005), (3.0, 0.002)):
        seats[SeatKey(CALL, PARTICIPANT)] = seat(pts, told - 10 + offset + pts)
        watch.look()
    hub.publish(CALL, PARTICIPANT, score(9.9, 12.0))
    hub.publish(CALL, PARTICIPANT, score(0.0, None))
    watch.look()
    [frame] = watch.frames()
    assert frame.sent_at == pytest.approx(told - 10 + 0.001 + 9.9, abs=1e-5)
    assert frame.arrived_at == pytest.approx(told - 0.012, abs=1e-5)
    assert frame.told_at == told
    assert (frame.valid_fraction, frame.llr, frame.similarity) == (0.9, 1.5, 0.4)
    assert (watch.received, watch.dropped) == (5, 1)


def test_without_a_sender_report_the_camera_is_not_known(watch: Watch, seats: dict[SeatKey, Any]) -> None:
    watch.look()
    seats[SeatKey(CALL, PARTICIPANT)] = seat(1.0, None)
    watch.look()
    assert watch.camera_offset is None


async def test_waiting_ends_with_the_condition_or_with_the_trouble(watch: Watch, hub: EventHub) -> None:
    hub.publish(CALL, PARTICIPANT, {"type": "participant", "action": "left", "why": "tired"})
    await watch.until(lambda: "left" in watch.actions, 5, "nobody left")
    assert watch.actions == {"left": "tired"}
    with pytest.raises(SourceError, match="nobody came within 0 s"):
        await watch.until(lambda: "joined" in watch.actions, 0.01, "nobody came")
