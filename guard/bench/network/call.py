"""One call over a bad network, recorded: what was sent, and what the guard made of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from guard.bench.network.impairment import Impairment
from guard.bench.network.orders import Sender, SenderCounts, SenderJob, sending
from guard.errors import SourceError
from guard.seat_key import SeatKey
from guard.serve.events import LiveEvent, ParticipantEvent, ScoreEvent
from guard.serve.service import Consent
from guard.server import RunningGuard
from guard.verify.template import CONSENT_STATEMENT, CONSENT_TEXT_VERSION

CALL, PARTICIPANT = "bench", "driver"
LEAD_SECONDS = 5.0
"""On a good network, so that a window is full and a sender report has come."""
SETTLE_SECONDS = 1.0
"""From the moment when the network turns bad: a delay that begins is a pause of its own."""
_LATE_SECONDS = 1.0
"""How long scores of the last frames are waited for."""
_READY_SECONDS = 30.0
_ENROLMENT_SECONDS = 90.0
_LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class JudgedFrame:
    """A frame that reached a verdict; Unix seconds, all on this machine's clock."""

    sent_at: float
    arrived_at: float
    told_at: float
    valid_fraction: float
    llr: float | None
    similarity: float | None


@dataclass(frozen=True, slots=True)
class CallRecord:
    """A call between two moments of a bad network; Unix seconds. `sent` counts from the one to the other."""

    started_at: float
    ended_at: float
    frames: tuple[JudgedFrame, ...]
    sent: SenderCounts
    received_frames: int
    dropped_frames: int
    """By the guard, that had no time for them."""


async def enrol(guard: RunningGuard, clip: Path) -> None:
    """Enrol the driver of a clip over a clean call. Raises SourceError with the reason where that fails."""
    watch = Watch(guard)
    async with sending(_job(guard, clip, Impairment(), seed=0)):
        await watch.until(lambda: "joined" in watch.actions, _READY_SECONDS, "the sender did not join")
        consent = Consent(statement=CONSENT_STATEMENT, given_by=PARTICIPANT, text_version=CONSENT_TEXT_VERSION)
        guard.monitor.start_enrolment(CALL, PARTICIPANT, PARTICIPANT, consent)
        await watch.until(
            lambda: bool({"enrolled", "enrolment_failed"} & set(watch.actions)),
            _ENROLMENT_SECONDS,
            "the enrolment does not end",
        )
        if "enrolled" not in watch.actions:
            raise SourceError(f"the clean call could not be enrolled: {watch.actions['enrolment_failed']}")
    watch.close()


async def record_call(guard: RunningGuard, clip: Path, impairment: Impairment, seed: int, seconds: float) -> CallRecord:
    """Send a clip, first over a good network, then for `seconds` over a bad one. Raises SourceError."""
    watch = Watch(guard)
    async with sending(_job(guard, clip, impairment, seed)) as sender:
        await watch.until(lambda: watch.camera_offset is not None, _READY_SECONDS, "no frame and sender report came")
        await watch.sleep(LEAD_SECONDS)
        await sender.impair()
        await watch.sleep(SETTLE_SECONDS)
        before, started_at = await _count(watch, sender), time.time()
        await watch.sleep(seconds)
        after, ended_at = await _count(watch, sender), time.time()
        await watch.sleep(_LATE_SECONDS)
    watch.close()
    return CallRecord(
        started_at=started_at,
        ended_at=ended_at,
        frames=watch.frames(),
        sent=_between(before.sent, after.sent),
        received_frames=after.received - before.received,
        dropped_frames=after.dropped - before.dropped,
    )


@dataclass(frozen=True, slots=True)
class _Counts:
    sent: SenderCounts
    received: int
    dropped: int


class Watch:
    """Reads the guard's events about the sender for as long as it is asked to wait."""

    def __init__(self, guard: RunningGuard) -> None:
        self.actions: dict[str, str] = {}
        """What happened to the participant, and why."""
        self.camera_offset: float | None = None
        """Unix time of the frame with media time 0, by the sender reports; the least seen, as a report may be late."""
        self.received = 0
        self.dropped = 0
        self._guard = guard
        self._subscription = guard.hub.subscribe(CALL, None)
        self._scores: list[ScoreEvent] = []

    async def sleep(self, seconds: float) -> None:
        """Watch for so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            await asyncio.sleep(min(left, _LOOK_SECONDS))
            self.look()

    async def until(self, condition: Callable[[], bool], seconds: float, trouble: str) -> None:
        """Watch until the condition holds. Raises SourceError with the trouble where it does not in time."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise SourceError(f"{trouble} within {seconds:.0f} s; is the machine too busy? See 'guard doctor'")
            await self.sleep(_LOOK_SECONDS)

    def look(self) -> None:
        """Take what has come since the last look."""
        while (published := self._subscription.take()) is not None:
            self._take(published.event)
        seat = self._guard.monitor.pipeline.seats.get(SeatKey(CALL, PARTICIPANT))
        if seat is None:
            return
        self.received, self.dropped = seat.frames.received, seat.frames.dropped
        frame = seat.last_received
        if frame is not None and frame.capture_seconds is not None:
            offset = frame.capture_seconds - frame.pts_seconds
            self.camera_offset = offset if self.camera_offset is None else min(offset, self.camera_offset)

    def frames(self) -> tuple[JudgedFrame, ...]:
        """Every frame that was judged so far."""
        offset = self.camera_offset or 0.0
        return tuple(
            JudgedFrame(
                sent_at=offset + score.pts_seconds,
                arrived_at=score.time.timestamp() - score.latency.total_ms / 1000,
                told_at=score.time.timestamp(),
                valid_fraction=score.valid_fraction,
                llr=score.llr,
                similarity=score.similarity,
            )
            for score in self._scores
            if score.latency is not None
        )

    def close(self) -> None:
        """No more events."""
        self._guard.hub.unsubscribe(CALL, self._subscription)

    def _take(self, event: LiveEvent) -> None:
        if isinstance(event, ScoreEvent):
            self._scores.append(event)
        elif isinstance(event, ParticipantEvent):
            self.actions[event.action] = event.why


async def _count(watch: Watch, sender: Sender) -> _Counts:
    sent = await sender.count()
    watch.look()
    return _Counts(sent, watch.received, watch.dropped)


def _between(before: SenderCounts, after: SenderCounts) -> SenderCounts:
    return SenderCounts(
        frames=after.frames - before.frames,
        media=after.media - before.media,
        nacks=after.nacks - before.nacks,
        plis=after.plis - before.plis,
    )


def _job(guard: RunningGuard, clip: Path, impairment: Impairment, seed: int) -> SenderJob:
    url = guard.whip_url(CALL, PARTICIPANT)
    return SenderJob(url, guard.join_token, clip, to_guard=impairment, to_client=impairment, seed=seed)
