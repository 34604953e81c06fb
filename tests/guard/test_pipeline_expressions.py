"""Which face frames of a call are tracked, and where what comes of them goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from guard.calls.source import LatestFrames
from guard.config import CallsConfig, GuardConfig
from guard.expressions.lifecycle import OFF
from guard.expressions.sample import ExpressionSample
from guard.media.front_end import FaceFrame, FaceFrontEnd
from guard.outcomes import Judged
from guard.pipeline import Pipeline
from guard.seat_key import SeatKey
from tests.guard.conftest import ALICE, MALLORY, NOBODY, BrightnessEngine, gray_frame

ADA, BEN = SeatKey("main", "ada"), SeatKey("main", "ben")


@dataclass
class Tracked:
    """A source that has a sample for every frame in the next tick, and a watch that keeps them."""

    offered: list[tuple[SeatKey, FaceFrame]] = field(default_factory=list)
    ready: list[ExpressionSample] = field(default_factory=list)
    observed: list[ExpressionSample] = field(default_factory=list)
    events: list[tuple[str, SeatKey]] = field(default_factory=list)
    status = OFF
    clock: Callable[[], float] = field(default=lambda: 0.0)

    def offer(self, seat: SeatKey, face: FaceFrame) -> None:
        self.offered.append((seat, face))
        numbers = np.zeros(52, np.float32), np.zeros(17, np.float32)
        self.ready.append(ExpressionSample(seat, face.pts_seconds, *numbers, True, face.arrival_seconds))

    def take(self) -> list[ExpressionSample]:
        samples, self.ready = self.ready, []
        return samples

    def join(self, seat: SeatKey) -> None:
        self.events.append(("join", seat))

    def observe(self, seat: SeatKey, sample: ExpressionSample, now: float) -> None:
        assert sample.seat == seat
        assert now == sample.arrival_seconds <= self.clock()
        self.observed.append(sample)

    def leave(self, seat: SeatKey) -> None:
        self.events.append(("leave", seat))


class Call:
    """Two participants at 30 frames a second."""

    def __init__(self, make_front_end: Callable[[], FaceFrontEnd]) -> None:
        self.now = 0.0
        self.tracked = Tracked(clock=lambda: self.now)
        self.pipeline = Pipeline(
            BrightnessEngine(),
            GuardConfig(calls=CallsConfig(max_participants=2)),
            make_front_end,
            clock=lambda: self.now,
            expressions=self.tracked,
            watch=self.tracked,
        )
        self.queues = {key: LatestFrames(4) for key in (ADA, BEN)}
        for key, frames in self.queues.items():
            self.pipeline.add(key, frames, 0.0)

    def play(self, frames: int, brightness: dict[SeatKey, int], settles_after: float | None = 0.0) -> list[Judged]:
        """settles_after: seconds from a frame until what comes after its verdict is done; None: it is not."""
        judged = []
        for _ in range(frames):
            came = self.now = self.now + 1 / 30
            for key, level in brightness.items():
                self.queues[key].push(gray_frame(level, self.now, self.now))
            judged += [outcome for outcome in self.pipeline.tick() if isinstance(outcome, Judged)]
            if settles_after is not None:
                self.now += settles_after
                self.pipeline.settle()
                self.now = came
        return judged


def test_every_judged_face_frame_is_offered_and_samples_come_to_the_watch(
    make_front_end: Callable[[], FaceFrontEnd],
) -> None:
    call = Call(make_front_end)
    judged = [item for item in call.play(40, {ADA: ALICE, BEN: MALLORY}) if item.stages is not None]
    evidence = [item for item in judged if item.verdict.abstain_reason is None]
    offered = [(seat, face.pts_seconds) for seat, face in call.tracked.offered]
    assert {seat for seat, _ in offered} == {ADA, BEN}
    assert set(offered) >= {(item.seat, item.pts_seconds) for item in evidence}
    assert [(sample.seat, sample.seconds) for sample in call.tracked.observed] == offered


def test_frames_that_are_no_evidence_are_not_offered(make_front_end: Callable[[], FaceFrontEnd]) -> None:
    call = Call(make_front_end)
    call.play(20, {ADA: ALICE})
    before = len(call.tracked.offered)
    call.play(60, {ADA: NOBODY})
    assert len(call.tracked.offered) <= before + 40, "a hidden face is noticed within two seconds"
    frozen = gray_frame(ALICE, call.now, call.now).image
    call.play(60, {ADA: ALICE})
    for _ in range(150):
        call.now += 1 / 30
        still = gray_frame(ALICE, call.now, call.now)
        call.queues[ADA].push(type(still)(frozen, still.pts_seconds, still.arrival_seconds, None, False))
        list(call.pipeline.tick())
        call.pipeline.settle()
    after = len(call.tracked.offered)
    call.queues[ADA].push(type(still)(frozen, still.pts_seconds + 1 / 30, still.arrival_seconds + 1 / 30, None, False))
    call.now += 1 / 30
    list(call.pipeline.tick())
    call.pipeline.settle()
    assert len(call.tracked.offered) == after, "a frozen picture is no evidence"


def test_the_watch_waits_for_a_moment_without_frames_but_not_for_long(
    make_front_end: Callable[[], FaceFrontEnd],
) -> None:
    call = Call(make_front_end)
    call.play(20, {ADA: ALICE})
    seen = len(call.tracked.observed)
    assert seen == 20, "the next frame is 33 ms away"
    call.play(1, {ADA: ALICE}, settles_after=1 / 30 - 0.002)
    assert len(call.tracked.observed) == seen, "a frame is about to come"
    call.now += 1 / 30 + 0.008
    call.pipeline.settle()
    assert len(call.tracked.observed) == seen + 1, "it did not come"


def test_where_there_is_no_quiet_moment_the_watch_hears_late(make_front_end: Callable[[], FaceFrontEnd]) -> None:
    call = Call(make_front_end)
    call.play(40, {ADA: ALICE, BEN: ALICE}, settles_after=1 / 30 - 0.002)
    waiting = len(call.tracked.offered) - len(call.tracked.observed)
    assert 0 < waiting <= 2 * 8, "0.2 s of two cameras"
    call.pipeline.remove(BEN)
    call.now += 1.0
    call.pipeline.settle()
    heard = {sample.seat for sample in call.tracked.observed[-waiting // 2 :]}
    assert heard == {ADA}, "what waited of somebody who has left is dropped"


def test_nothing_is_offered_before_verdicts_are_handed_over(make_front_end: Callable[[], FaceFrontEnd]) -> None:
    call = Call(make_front_end)
    judged = call.play(1, {ADA: ALICE}, settles_after=None)
    assert len(judged) == 1
    assert call.tracked.offered == []
    call.pipeline.settle()
    assert [seat for seat, _ in call.tracked.offered] == [ADA]
    assert len(call.tracked.observed) == 1
    call.play(1, {BEN: MALLORY}, settles_after=None)
    call.pipeline.remove(BEN)
    call.pipeline.settle()
    assert [seat for seat, _ in call.tracked.offered] == [ADA], "who has left is offered to nobody"


def test_who_leaves_is_told_to_both(make_front_end: Callable[[], FaceFrontEnd]) -> None:
    call = Call(make_front_end)
    call.pipeline.remove(BEN)
    call.pipeline.remove(BEN)
    assert call.tracked.events == [("join", ADA), ("join", BEN), ("leave", BEN), ("leave", BEN)], "source and watch"


def test_without_expressions_nothing_is_offered_to_anybody(
    make_front_end: Callable[[], FaceFrontEnd], brightness_engine: BrightnessEngine
) -> None:
    pipeline = Pipeline(brightness_engine, GuardConfig(), make_front_end)
    assert pipeline.expressions.status.reason == "tracking of expressions is off (expressions.enabled)"
    assert list(pipeline.expressions.take()) == []
