"""The pipeline in virtual time: from frames in a queue to verdicts, without a thread or a clock."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engines.errors import BackendFailedError
from engines.fallback import Backend, FallbackEngine
from engines.protocol import Batching, Engine
from guard.calls.source import LatestFrames
from guard.config import CallsConfig, GuardConfig, VerifyConfig
from guard.errors import SourceError
from guard.media.front_end import FaceFrontEnd
from guard.media.latest_faces import LatestFaces
from guard.outcomes import EngineChanged, EnrolmentMoved, Judged, Outcome
from guard.pipeline import Pipeline
from guard.seat_key import SeatKey
from guard.verify.enrolment import Enrolment
from guard.verify.states import AbstainReason, DriverState
from guard.verify.template import ConsentRecord, Template
from guard.wake import Pause
from tests.engines.dying_engine import LOST, DyingEngine
from tests.guard.conftest import (
    ALICE,
    MALLORY,
    NOBODY,
    WINDOW_FRAMES,
    BrightFaceDetector,
    BrightnessEngine,
    gray_frame,
)

FPS = 30
SEAT = SeatKey("main", "alice")


class Call:
    """A pipeline, a clock, and participants who send frames of a given brightness."""

    def __init__(self, engine: Engine, make_front_end: Callable[[], FaceFrontEnd], config: GuardConfig) -> None:
        self.now = 0.0
        self.pipeline = Pipeline(engine, config, make_front_end, clock=lambda: self.now)
        self.queues: dict[SeatKey, LatestFrames] = {}

    def join(self, key: SeatKey = SEAT) -> None:
        self.queues[key] = LatestFrames(4)
        self.pipeline.add(key, self.queues[key], self.now)

    def play(self, seconds: float, brightness: dict[SeatKey, int]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for _ in range(round(seconds * FPS)):
            self.now += 1 / FPS
            for key, level in brightness.items():
                self.queues[key].push(gray_frame(level, self.now, self.now))
            outcomes.extend(self.pipeline.tick())
        return outcomes

    def silence(self, seconds: float) -> list[Outcome]:
        return self.play(seconds, {})


@pytest.fixture
def call(brightness_engine: BrightnessEngine, make_front_end: Callable[[], FaceFrontEnd]) -> Call:
    config = GuardConfig(calls=CallsConfig(max_participants=2), verify=VerifyConfig(enrolment_seconds=5))
    return Call(brightness_engine, make_front_end, config)


def states(outcomes: list[Outcome]) -> list[DriverState]:
    return [item.verdict.transition.state for item in outcomes if isinstance(item, Judged) and item.verdict.transition]


def alerts(outcomes: list[Outcome]) -> list[str]:
    return [alert.severity for item in outcomes if isinstance(item, Judged) for alert in item.verdict.alerts]


def test_the_enrolled_driver_is_verified_and_a_swap_raises_one_alert(call: Call, alice_template: Template) -> None:
    call.join()
    call.pipeline.set_template(SEAT, alice_template)
    genuine = call.play(20, {SEAT: ALICE})
    assert states(genuine)[-1] is DriverState.VERIFIED
    assert alerts(genuine) == []
    swapped = call.play(20, {SEAT: MALLORY})
    assert states(swapped)[-1] is DriverState.MISMATCH
    assert alerts(swapped) == ["critical"]


def test_face_frames_from_elsewhere_are_judged_as_those_made_here_are(call: Call, alice_template: Template) -> None:
    """The same video twice: once as pictures, once as what a front end in another process makes of them."""
    here, there = SEAT, SeatKey("main", "bob")
    front_end = FaceFrontEnd(BrightFaceDetector())
    faces = LatestFaces(4)
    call.join(here)
    seat = call.pipeline.add(there, faces, call.now)
    for key in (here, there):
        call.pipeline.set_template(key, alice_template)
    outcomes: list[Outcome] = []
    for brightness in [ALICE] * 12 * FPS + [NOBODY] * 4 * FPS:
        now = call.now + 1 / FPS
        faces.push(front_end.process(gray_frame(brightness, now, now)))
        outcomes += call.play(1 / FPS, {here: brightness})

    def verdicts(key: SeatKey) -> list[DriverState]:
        return states([item for item in outcomes if isinstance(item, Judged) and item.seat == key])

    assert verdicts(there) == verdicts(here)
    assert DriverState.VERIFIED in verdicts(there)
    assert verdicts(there)[-1] is DriverState.ABSTAIN
    assert seat.breaks == call.pipeline.seats[here].breaks > 0
    assert seat.last_received is None
    assert seat.last_face is not None


def test_one_engine_step_takes_the_frames_of_all_participants(call: Call, brightness_engine: BrightnessEngine) -> None:
    other = SeatKey("main", "bob")
    call.join()
    call.join(other)
    call.play(1, {SEAT: ALICE, other: MALLORY})
    assert {tuple(sorted(batch)) for batch in brightness_engine.batches} == {(0, 1)}


def test_a_frame_waits_for_the_other_participants_no_longer_than_the_engine_likes(
    call: Call, brightness_engine: BrightnessEngine
) -> None:
    brightness_engine.batching = Batching(max_frames=8, wait_seconds=0.004)
    other = SeatKey("main", "bob")
    call.join()
    call.join(other)
    call.queues[SEAT].push(gray_frame(ALICE, 0.0, 0.0))
    assert call.pipeline.pause(0.1) == Pause(0.1, 0.004, frames=2)
    assert list(call.pipeline.tick()) == []
    assert call.pipeline.pause(0.1).seconds == pytest.approx(0.004)
    assert call.pipeline.pause(0.1).frames == 1
    call.queues[other].push(gray_frame(MALLORY, 0.0, 0.0))
    assert len(list(call.pipeline.tick())) == 2
    assert call.pipeline.pause(0.1).seconds == 0.1
    call.queues[SEAT].push(gray_frame(ALICE, 1 / FPS, 0.0))
    assert list(call.pipeline.tick()) == []
    call.now = 0.004
    assert call.pipeline.pause(0.1).seconds == 0
    judged = [item for item in call.pipeline.tick() if isinstance(item, Judged)]
    assert [item.stages.engine for item in judged if item.stages] == [pytest.approx(0.004)]
    assert brightness_engine.batches == [[0, 1], [0]]


def test_a_frame_that_waited_in_its_queue_for_the_others_is_due_at_once(
    call: Call, brightness_engine: BrightnessEngine
) -> None:
    """The thread gets up when the first of a batch has waited for long enough: one tick takes them all."""
    brightness_engine.batching = Batching(max_frames=8, wait_seconds=0.004)
    other, third = SeatKey("main", "bob"), SeatKey("main", "carol")
    call.pipeline = Pipeline(brightness_engine, GuardConfig(), call.pipeline.make_front_end, clock=lambda: call.now)
    for key in (SEAT, other, third):
        call.join(key)
    call.queues[other].push(gray_frame(MALLORY, 0.0, 0.0))
    call.queues[SEAT].push(gray_frame(ALICE, 0.0, 0.003))
    call.now = 0.004
    judged = [item for item in call.pipeline.tick() if isinstance(item, Judged)]
    assert brightness_engine.batches == [[1, 0]]
    assert [item.stages.queue for item in judged if item.stages] == [pytest.approx(0.004), pytest.approx(0.001)]


def test_what_piles_up_is_judged_batch_by_batch_and_nobody_is_left_out(
    call: Call, brightness_engine: BrightnessEngine
) -> None:
    brightness_engine.batching = Batching(max_frames=1, wait_seconds=0.0)
    other = SeatKey("main", "bob")
    call.join()
    call.join(other)
    for n in range(4):
        call.queues[SEAT].push(gray_frame(ALICE, n / FPS, 0.0))
        call.queues[other].push(gray_frame(MALLORY, n / FPS, 0.0))
    ticks = 0
    while call.pipeline.pause(0.1).seconds == 0 or ticks == 0:
        assert len(list(call.pipeline.tick())) == 1
        ticks += 1
    assert brightness_engine.batches == [[0], [1]] * 4
    counters = call.pipeline.scheduler.counters
    assert (counters.offered, counters.taken, counters.dropped) == (8, 8, 0)


def test_a_waiting_frame_leaves_with_its_participant(call: Call, brightness_engine: BrightnessEngine) -> None:
    """Else the next one in this slot would begin with a stranger's frame."""
    brightness_engine.batching = Batching(max_frames=8, wait_seconds=0.004)
    other = SeatKey("main", "bob")
    call.join()
    call.join(other)
    call.queues[SEAT].push(gray_frame(ALICE, 0.0, 0.0))
    list(call.pipeline.tick())
    call.pipeline.remove(SEAT)
    call.join()
    call.now = 1.0
    list(call.pipeline.tick())
    assert brightness_engine.batches == []


def test_an_engine_that_fails_in_mid_call_is_told_once_and_the_call_goes_on(
    make_front_end: Callable[[], FaceFrontEnd], alice_template: Template
) -> None:
    first, second = DyingEngine(BrightnessEngine(), steps=20 * FPS), BrightnessEngine()
    engine = FallbackEngine([Backend("dying", lambda: first), Backend("cpu", lambda: second)])
    config = GuardConfig(calls=CallsConfig(max_participants=2), verify=VerifyConfig(enrolment_seconds=5))
    call = Call(engine, make_front_end, config)
    call.join()
    call.pipeline.set_template(SEAT, alice_template)
    before = call.play(20, {SEAT: ALICE})
    assert states(before)[-1] is DriverState.VERIFIED
    after = call.play(20, {SEAT: ALICE})
    (changed,) = [item for item in before + after if isinstance(item, EngineChanged)]
    assert changed.status == engine.status
    assert changed.status.fallback_reason == f"dying: failed in use ({LOST})"
    judged = [item for item in after if isinstance(item, Judged)]
    assert len(judged) == 20 * FPS
    assert judged[0].valid_fraction == pytest.approx(1 / 16)
    assert alerts(after) == []
    assert judged[-1].verdict.state is DriverState.VERIFIED


def test_nobody_stays_verified_on_an_engine_that_fails_for_good(
    make_front_end: Callable[[], FaceFrontEnd], alice_template: Template
) -> None:
    """Frames keep arriving, so nothing stalls; still nobody has looked at them."""
    engine = FallbackEngine([Backend("dying", lambda: DyingEngine(BrightnessEngine(), steps=20 * FPS))])
    config = GuardConfig(calls=CallsConfig(max_participants=2), verify=VerifyConfig(enrolment_seconds=5))
    call = Call(engine, make_front_end, config)
    call.join()
    call.pipeline.set_template(SEAT, alice_template)
    assert states(call.play(20, {SEAT: ALICE}))[-1] is DriverState.VERIFIED
    after = [item.verdict for item in call.play(5, {SEAT: ALICE}) if isinstance(item, Judged)]
    assert {verdict.state for verdict in after} == {DriverState.ABSTAIN}
    assert {verdict.abstain_reason for verdict in after} == {AbstainReason.ENGINE_FAILED}
    assert 5 <= len(after) <= 11  # at once, then twice a second


def test_who_joins_on_an_engine_that_has_failed_for_good_gets_no_verdict_an_alert_and_no_template(
    make_front_end: Callable[[], FaceFrontEnd], alice_template: Template, consent: ConsentRecord
) -> None:
    engine = DyingEngine(BrightnessEngine())
    config = GuardConfig(calls=CallsConfig(max_participants=2), verify=VerifyConfig(enrolment_seconds=5))
    call = Call(engine, make_front_end, config)
    engine.die()
    call.join()
    call.pipeline.set_template(SEAT, alice_template)
    call.pipeline.seats[SEAT].enrolment = Enrolment("alice", consent, engine.spec, config.verify)
    outcomes = call.play(40, {SEAT: ALICE})
    judged = [item.verdict for item in outcomes if isinstance(item, Judged)]
    assert {(verdict.state, verdict.abstain_reason) for verdict in judged} == {
        (DriverState.ABSTAIN, AbstainReason.ENGINE_FAILED)
    }
    assert alerts(outcomes) == ["warning"]
    (ended,) = [item for item in outcomes if isinstance(item, EnrolmentMoved)]
    assert ended.failure is not None


def test_a_window_that_the_engine_did_not_forget_is_forgotten_before_the_next_frame(
    call: Call, brightness_engine: BrightnessEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    call.join()
    call.play(2, {SEAT: ALICE})

    def fail(_slot: int) -> None:
        raise BackendFailedError(LOST)

    call.silence(1.5)
    with monkeypatch.context() as broken:
        broken.setattr(brightness_engine, "reset", fail)
        (failed,) = [item for item in call.play(1 / FPS, {SEAT: ALICE}) if isinstance(item, Judged)]
    assert brightness_engine.filled[0] == WINDOW_FRAMES
    (judged,) = [item for item in call.play(1 / FPS, {SEAT: ALICE}) if isinstance(item, Judged)]
    assert failed.stages is None
    assert judged.valid_fraction == pytest.approx(1 / WINDOW_FRAMES)


def test_who_is_not_enrolled_is_scored_against_nobody(call: Call) -> None:
    call.join()
    outcomes = call.play(5, {SEAT: ALICE})
    judged = [item for item in outcomes if isinstance(item, Judged)]
    assert {item.verdict.state for item in judged} == {DriverState.UNENROLLED}
    assert all(item.verdict.llr is None for item in judged)


def test_an_enrolment_ends_with_a_template_that_verifies_its_owner(call: Call, consent: ConsentRecord) -> None:
    call.join()
    seat = call.pipeline.seats[SEAT]
    seat.enrolment = Enrolment("alice", consent, call.pipeline.engine.spec, call.pipeline.config.verify)
    moved = [item for item in call.play(10, {SEAT: ALICE}) if isinstance(item, EnrolmentMoved)]
    progress = [item.progress for item in moved]
    assert progress == sorted(progress)
    assert moved[-1].template is not None
    assert seat.enrolment is None
    call.pipeline.set_template(SEAT, moved[-1].template)
    assert states(call.play(20, {SEAT: ALICE}))[-1] is DriverState.VERIFIED


def test_whom_the_engine_has_no_room_for_gets_no_verdict_and_an_alert_and_the_others_theirs(
    call: Call, brightness_engine: BrightnessEngine, alice_template: Template
) -> None:
    brightness_engine.room = 1
    other = SeatKey("main", "bob")
    call.join()
    call.join(other)
    for key in (SEAT, other):
        call.pipeline.set_template(key, alice_template)
    judged = [item for item in call.play(40, {SEAT: ALICE, other: ALICE}) if isinstance(item, Judged)]
    served = [item.verdict for item in judged if item.seat == SEAT]
    refused = [item.verdict for item in judged if item.seat == other]
    assert served[-1].state is DriverState.VERIFIED
    assert {(verdict.state, verdict.abstain_reason) for verdict in refused} == {
        (DriverState.ABSTAIN, AbstainReason.ENGINE_FULL)
    }
    assert [alert.severity for verdict in refused for alert in verdict.alerts] == ["warning"]
    brightness_engine.room = 2
    assert states(call.play(20, {SEAT: ALICE, other: ALICE}))[-1] is DriverState.VERIFIED


def test_an_enrolment_in_which_nothing_arrives_is_given_up(call: Call, consent: ConsentRecord) -> None:
    call.join()
    seat = call.pipeline.seats[SEAT]
    seat.enrolment = Enrolment("alice", consent, call.pipeline.engine.spec, call.pipeline.config.verify)
    moved = [item for item in call.silence(60) if isinstance(item, EnrolmentMoved)]
    assert len(moved) == 1
    assert moved[0].failure is not None
    assert "given up" in moved[0].failure


def test_silence_is_never_verified_and_alerts_after_a_while(call: Call, alice_template: Template) -> None:
    call.join()
    call.pipeline.set_template(SEAT, alice_template)
    call.play(20, {SEAT: ALICE})
    outcomes = call.silence(30)
    after_stall = [item.verdict for item in outcomes if isinstance(item, Judged)]
    assert after_stall
    assert all(verdict.state is DriverState.ABSTAIN for verdict in after_stall)
    assert {verdict.abstain_reason for verdict in after_stall} == {AbstainReason.STALLED}
    assert alerts(outcomes) == ["warning"]


def test_a_hidden_face_abstains(call: Call, alice_template: Template) -> None:
    call.join()
    call.pipeline.set_template(SEAT, alice_template)
    call.play(20, {SEAT: ALICE})
    hidden = [item.verdict for item in call.play(5, {SEAT: NOBODY}) if isinstance(item, Judged)]
    assert hidden[-1].state is DriverState.ABSTAIN
    assert hidden[-1].abstain_reason is AbstainReason.NO_FACE


def test_after_a_pause_the_window_starts_anew(call: Call, brightness_engine: BrightnessEngine) -> None:
    call.join()
    call.play(2, {SEAT: ALICE})
    before = len(brightness_engine.resets)
    call.silence(1.5)
    call.play(0.2, {SEAT: ALICE})
    assert brightness_engine.resets[before:] == [0]


def test_a_slot_is_free_again_after_leaving(call: Call) -> None:
    call.join()
    call.join(SeatKey("main", "bob"))
    with pytest.raises(SourceError, match="all slots are taken"):
        call.join(SeatKey("main", "carol"))
    call.pipeline.remove(SEAT)
    call.pipeline.remove(SEAT)  # Leaving twice is harmless.
    call.join(SeatKey("main", "carol"))
    with pytest.raises(SourceError, match="already"):
        call.join(SeatKey("main", "carol"))


def test_stage_times_are_told_with_every_scored_frame(call: Call) -> None:
    call.join()
    stages = [item.stages for item in call.play(1, {SEAT: ALICE}) if isinstance(item, Judged) and item.stages]
    assert len(stages) >= FPS // 2
    assert all(stage.queue >= 0 and stage.engine >= 0 for stage in stages)
    assert call.pipeline.cpu.pixels > 0
