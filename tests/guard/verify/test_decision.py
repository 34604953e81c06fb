"""The states, one by one, in virtual time."""

from __future__ import annotations

import math

import pytest

from engines.evidence import frames_to_reach
from guard.config import VerifyConfig
from guard.verify.decision import SETTLE_SECONDS, Alert, Decision, Verdict
from guard.verify.states import AbstainReason, DriverState

FPS = 30.0
WINDOW_FRAMES = 64


class Course:
    """A decision and its virtual clock; remembers every alert and transition."""

    def __init__(self, config: VerifyConfig | None = None) -> None:
        self.config = config if config is not None else VerifyConfig()
        self.decision = Decision(self.config)
        self.now = 1000.0
        self.alerts: list[Alert] = []
        self.states: list[DriverState] = []
        self.last = self._note(self.decision.begin())

    def watch(self, llr: float, seconds: float) -> Verdict:
        for _ in range(round(seconds * FPS)):
            self.now += 1 / FPS
            self.last = self._note(self.decision.observe(llr, 1 / WINDOW_FRAMES, self.now))
        return self.last

    def pause(self, seconds: float) -> Verdict:
        for _ in range(round(seconds * FPS)):
            self.now += 1 / FPS
            self.last = self._note(self.decision.pause(self.now))
        return self.last

    def abstain(self, seconds: float, reason: AbstainReason = AbstainReason.NO_FACE) -> Verdict:
        for _ in range(round(seconds * 2) + 1):
            self.last = self._note(self.decision.abstain(reason, self.now))
            self.now += 0.5
        self.now -= 0.5
        return self.last

    def _note(self, verdict: Verdict) -> Verdict:
        self.alerts += verdict.alerts
        if verdict.transition is not None:
            assert verdict.transition.state is verdict.state
            assert verdict.transition.previous is (self.states[-1] if self.states else DriverState.UNENROLLED)
            self.states.append(verdict.state)
        return verdict


def test_starts_unenrolled_and_stays_so_whatever_comes() -> None:
    decision = Decision(VerifyConfig())
    for seconds in range(100):
        assert decision.observe(5.0, 0.5, float(seconds)).state is DriverState.UNENROLLED
        assert decision.pause(float(seconds)).state is DriverState.UNENROLLED
        verdict = decision.abstain(AbstainReason.NO_FACE, float(seconds))
        assert verdict.state is DriverState.UNENROLLED
        assert not verdict.alerts
        assert verdict.evidence == 0.0


def test_genuine_driver_warms_up_and_becomes_verified() -> None:
    course = Course()
    assert course.watch(2.0, 2.0).state is DriverState.WARMING
    assert course.watch(2.0, 10.0).state is DriverState.VERIFIED
    assert course.states == [DriverState.WARMING, DriverState.UNCERTAIN, DriverState.VERIFIED]
    assert course.last.why == "driver matches the enrolled template (evidence +6.0 nats)"
    assert not course.alerts


def test_impostor_raises_one_critical_alert() -> None:
    course = Course()
    course.watch(-2.0, 60.0)
    assert course.last.state is DriverState.MISMATCH
    assert [alert.severity for alert in course.alerts] == ["critical"]
    assert course.alerts[0].reason.startswith("driver does not match the enrolled template (evidence -3.0 nats")


def test_no_text_accuses_of_a_fake() -> None:
    course = Course()
    verdicts = (course.last, course.watch(2.0, 15), course.watch(-2.0, 15), course.abstain(20.0))
    texts = [verdict.why for verdict in verdicts]
    texts += [alert.reason for alert in course.alerts]
    assert len(course.alerts) == 2
    assert not any(word in text for text in texts for word in ("fake", "fraud", "attack"))


def test_evidence_between_the_thresholds_keeps_what_was() -> None:
    course = Course(VerifyConfig(half_life_seconds=600.0))
    course.watch(2.0, 10.0)
    course.watch(-1.5, 5.0)  # +6 falls by 1.5 * 5 / 2.13 = 3.5
    assert 1.0 < course.last.evidence < 3.0
    assert course.last.state is DriverState.VERIFIED
    assert course.watch(-1.5, 3.0).state is DriverState.UNCERTAIN
    assert course.watch(1.0, 4.0).state is DriverState.UNCERTAIN
    assert 1.0 < course.last.evidence < 3.0


@pytest.mark.parametrize("llr", [1.0, 1.5, 3.0])
def test_swap_alerts_within_the_computed_time(llr: float) -> None:
    course = Course()
    course.watch(llr, 60.0)
    before, swapped = course.last.evidence, course.now
    bound = frames_to_reach(
        course.config.mismatch_enter,
        -llr,
        start=before,
        fps=FPS,
        window_frames=WINDOW_FRAMES,
        half_life_seconds=course.config.half_life_seconds,
        limit=course.config.evidence_limit,
    )
    assert bound is not None
    while not course.alerts:
        course.watch(-llr, 1 / FPS)
        assert course.now - swapped <= (bound + 1) / FPS
    assert course.now - swapped >= (bound - 1) / FPS


def test_abstaining_takes_verified_away_and_asks_for_fresh_evidence() -> None:
    course = Course()
    course.watch(4.0, 30.0)
    assert course.last.state is DriverState.VERIFIED
    assert course.abstain(0.0).state is DriverState.ABSTAIN
    assert course.last.evidence == 0.0
    assert course.last.abstain_reason is AbstainReason.NO_FACE
    assert course.watch(4.0, 1 / FPS).state is DriverState.WARMING
    assert course.watch(4.0, 64 / FPS).state is DriverState.UNCERTAIN
    assert "too soon after an interruption" in course.last.why
    assert course.watch(4.0, SETTLE_SECONDS - 65 / FPS - 0.1).state is DriverState.UNCERTAIN
    assert course.watch(4.0, 0.2).state is DriverState.VERIFIED


def test_hiding_the_face_does_not_clear_a_mismatch_nor_alert_again() -> None:
    course = Course()
    course.watch(-3.0, 30.0)
    course.abstain(1.0)
    course.watch(-1.0, 3.0)
    assert course.last.state is DriverState.MISMATCH
    assert [alert.severity for alert in course.alerts] == ["critical"]


def test_recovered_mismatch_alerts_again_when_it_comes_back() -> None:
    course = Course()
    course.watch(-3.0, 20.0)
    course.watch(3.0, 20.0)
    assert course.last.state is DriverState.VERIFIED
    course.watch(-3.0, 20.0)
    assert [alert.severity for alert in course.alerts] == ["critical", "critical"]


def test_unusable_windows_fade_a_verdict_away() -> None:
    course = Course()
    course.watch(3.0, 20.0)
    course.pause(10.0)
    assert course.last.state is DriverState.VERIFIED
    assert course.pause(20.0).state is DriverState.UNCERTAIN
    assert course.last.evidence < course.config.verified_leave


def test_long_abstention_alerts_once() -> None:
    course = Course()
    course.watch(2.0, 30.0)
    course.abstain(14.5)
    assert not course.alerts
    course.abstain(200.0, AbstainReason.STALLED)
    assert course.alerts == [Alert("warning", "no verdict for 15 s: no frames", AbstainReason.STALLED)]


def test_a_second_long_abstention_alerts_again_after_recovery() -> None:
    course = Course()
    course.abstain(40.0)
    course.watch(2.0, 30.0)
    course.abstain(40.0)
    assert [alert.severity for alert in course.alerts] == ["warning", "warning"]


def test_showing_the_face_now_and_then_does_not_evade_the_abstain_alert() -> None:
    course = Course()
    for _ in range(3):
        course.abstain(8.0)
        course.watch(0.0, 4.0)
    assert [alert.severity for alert in course.alerts] == ["warning"]


def test_a_new_template_starts_from_nothing() -> None:
    course = Course()
    course.watch(-3.0, 30.0)
    assert course.decision.clear().state is DriverState.UNENROLLED
    verdict = course.decision.begin()
    assert (verdict.state, verdict.evidence) == (DriverState.WARMING, 0.0)
    course.alerts.clear()
    course.states[:] = [DriverState.WARMING]
    course.watch(-3.0, 30.0)
    assert [alert.severity for alert in course.alerts] == ["critical"]


def test_time_running_backwards_adds_nothing() -> None:
    course = Course()
    course.abstain(14.0)
    verdict = course.decision.abstain(AbstainReason.NO_FACE, course.now - 1e6)
    assert not verdict.alerts
    assert not course.decision.abstain(AbstainReason.NO_FACE, course.now + 0.5).alerts


@pytest.mark.parametrize("seconds", [math.nan, math.inf])
def test_time_that_is_no_number_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="finite number of seconds"):
        Course().decision.observe(1.0, 0.1, seconds)
