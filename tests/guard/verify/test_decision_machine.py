"""Whatever order things happen in: the promises of the decision, against a ledger kept beside it."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from engines.evidence import frames_to_reach
from guard.config import VerifyConfig
from guard.verify.decision import Decision, Verdict
from guard.verify.states import AbstainReason, DriverState

FPS = 30.0
WINDOW_FRAMES = 64
CONFIG = VerifyConfig()
LIMIT = CONFIG.evidence_limit

# Lengths on both sides of what matters: a window of 64 frames, the 15 s before an alert.
FRAMES = st.sampled_from([1, 20, 63, 70, 130, 300])
HALF_SECONDS = st.sampled_from([1, 3, 15, 35])
LLRS = st.sampled_from([-8.0, -1.5, -0.4, 0.0, 0.4, 1.5, 8.0])


class DecisionMachine(RuleBasedStateMachine):
    """Drives a decision at random and keeps its own account of what it may say."""

    def __init__(self) -> None:
        super().__init__()
        self.decision = Decision(CONFIG)
        self.now = 0.0
        self.state = DriverState.UNENROLLED
        self.last: Verdict | None = None
        self.supporting_nats = 0.0  # all that spoke for the driver since the last abstention, faded by nothing
        self.fresh_windows = 0.0
        self.without_verdict_seconds = 0.0
        self.abstain_alerts_open = 0
        self.mismatch_alerts_open = 0
        self.critical_alerts = 0

    @initialize()
    def enrol(self) -> None:
        self.note(self.decision.begin())

    @rule(llr=LLRS, frames=FRAMES, share=st.floats(0.5, 1))
    def watch(self, llr: float, frames: int, share: float) -> None:
        for _ in range(frames):
            new_share = share / WINDOW_FRAMES
            self.supporting_nats += max(0.0, min(llr, LIMIT)) * new_share
            self.fresh_windows += new_share
            self.step(1 / FPS)
            self.note(self.decision.observe(llr, new_share, self.now))
            self.verified_only_on_enough_fresh_support()
            self.a_verdict_only_after_a_window_of_fresh_video()

    @rule(frames=FRAMES)
    def lose_windows(self, frames: int) -> None:
        for _ in range(frames):
            self.step(1 / FPS)
            self.note(self.decision.pause(self.now))

    @rule(reason=st.sampled_from(AbstainReason), halves=HALF_SECONDS)
    def lose_video(self, reason: AbstainReason, halves: int) -> None:
        for _ in range(halves):
            self.step(0.5)
            self.supporting_nats = self.fresh_windows = 0.0
            verdict = self.note(self.decision.abstain(reason, self.now))
            assert verdict.state is DriverState.ABSTAIN
            assert verdict.abstain_reason is reason

    @rule(reason=st.sampled_from(AbstainReason), llr=LLRS, frames=FRAMES)
    def come_back(self, reason: AbstainReason, llr: float, frames: int) -> None:
        """Whoever was verified is lost for a moment, and somebody is there again."""
        self.watch(4.0, 400, 1.0)
        self.lose_video(reason, 1)
        self.watch(llr, frames, 1.0)

    @rule()
    def seat_somebody_else(self) -> None:
        self.decision.clear()
        self.state = DriverState.UNENROLLED
        self.supporting_nats = self.fresh_windows = self.without_verdict_seconds = 0.0
        self.abstain_alerts_open = self.mismatch_alerts_open = 0
        self.note(self.decision.begin())

    @rule(llr=st.floats(1, 6))
    def swap(self, llr: float) -> None:
        """A driver who matched is replaced by one who does not: the alert comes within the computed time."""
        self.watch(llr, 1200, 1.0)
        assert self.state is DriverState.VERIFIED
        assert self.last is not None
        bound = frames_to_reach(
            CONFIG.mismatch_enter,
            -llr,
            start=self.last.evidence,
            fps=FPS,
            window_frames=WINDOW_FRAMES,
            half_life_seconds=CONFIG.half_life_seconds,
            limit=LIMIT,
        )
        assert bound is not None
        alerts_before = self.critical_alerts
        self.watch(-llr, bound + 1, 1.0)
        assert self.critical_alerts == alerts_before + 1

    def step(self, seconds: float) -> None:
        self.now += seconds
        if self.state in (DriverState.ABSTAIN, DriverState.WARMING):
            self.without_verdict_seconds += seconds
        else:
            self.without_verdict_seconds = max(
                0.0, min(self.without_verdict_seconds, CONFIG.abstain_alert_seconds) - seconds
            )
        if self.without_verdict_seconds <= 1e-9:
            self.abstain_alerts_open = 0

    def note(self, verdict: Verdict) -> Verdict:
        changed = verdict.state is not self.state
        assert (verdict.transition is not None) == changed
        judged = verdict.state not in (DriverState.ABSTAIN, DriverState.WARMING)
        if judged and verdict.evidence > CONFIG.mismatch_leave:
            self.mismatch_alerts_open = 0
        for alert in verdict.alerts:
            if alert.severity == "critical":
                self.mismatch_alerts_open += 1
                self.critical_alerts += 1
                assert verdict.state is DriverState.MISMATCH
            else:
                self.abstain_alerts_open += 1
                assert self.without_verdict_seconds >= CONFIG.abstain_alert_seconds - 1e-6
        self.check_hysteresis(verdict)
        self.state, self.last = verdict.state, verdict
        return verdict

    def check_hysteresis(self, verdict: Verdict) -> None:
        evidence = verdict.evidence
        if verdict.transition is None:
            return
        entered, left = verdict.state, verdict.transition.previous
        if entered is DriverState.VERIFIED:
            assert evidence >= CONFIG.verified_enter
        if entered is DriverState.UNCERTAIN and left is DriverState.VERIFIED:
            assert evidence < CONFIG.verified_leave
        if entered is DriverState.UNCERTAIN and left is DriverState.MISMATCH:
            assert evidence > CONFIG.mismatch_leave
        if entered is DriverState.MISMATCH and left in (DriverState.UNCERTAIN, DriverState.VERIFIED):
            assert evidence <= CONFIG.mismatch_enter

    @invariant()
    def verified_only_on_enough_fresh_support(self) -> None:
        if self.state is DriverState.VERIFIED:
            assert self.supporting_nats >= CONFIG.verified_enter - 1e-6
            assert self.fresh_windows >= 1 - 1e-6

    @invariant()
    def a_verdict_only_after_a_window_of_fresh_video(self) -> None:
        if self.state in (DriverState.VERIFIED, DriverState.UNCERTAIN, DriverState.MISMATCH):
            assert self.fresh_windows >= 1 - 1e-6

    @invariant()
    def never_two_alerts_in_one_episode(self) -> None:
        assert self.abstain_alerts_open <= 1
        assert self.mismatch_alerts_open <= 1

    @invariant()
    def a_mismatch_is_never_silent(self) -> None:
        if self.state is DriverState.MISMATCH:
            assert self.mismatch_alerts_open == 1

    @invariant()
    def a_long_abstention_is_never_silent(self) -> None:
        overdue = self.without_verdict_seconds >= CONFIG.abstain_alert_seconds + 1e-6
        if self.state is DriverState.ABSTAIN and overdue:
            assert self.abstain_alerts_open == 1


TestDecisionMachine = DecisionMachine.TestCase
TestDecisionMachine.settings = settings(max_examples=30, stateful_step_count=12, deadline=None)
