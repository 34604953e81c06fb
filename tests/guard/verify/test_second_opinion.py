"""Witnesses beside the engine: they move a verdict within their weight, and without them everything is as it was."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.witnesses.fusion_table import ENGINE, FusedSet
from guard.config import VerifyConfig
from guard.verify.decision import Verdict
from guard.verify.fusion import Fusion
from guard.verify.second_opinion import MARGIN_SECONDS, longest_seconds
from guard.verify.states import AbstainReason, DriverState
from guard.verify.template import Template
from guard.verify.verifier import Verifier
from guard.verify.witnesses import Opinion, Statement
from tests.guard.verify.driver_space import FPS, WINDOW_FRAMES, DriverSpace, driver_space
from tests.guard.verify.made_witnesses import made_table

MODELS = {ENGINE: "a" * 64, "facial_codes": "b" * 64}
TABLE = made_table(MODELS, FusedSet(weights={ENGINE: 1.0, "facial_codes": 1.0}, bias=0.0))
FUSION = Fusion(TABLE, MODELS)
TOO_OLD_SECONDS = longest_seconds(Statement("facial_codes", 0.0, None)) + 0.6


@dataclass
class Seat:
    """A verifier fed with windows of one driver; the witness says what a test wants."""

    space: DriverSpace
    template: Template
    verifier: Verifier
    now: float = 0.0

    def play(self, driver: int, seconds: float, said: float | None = None, *, silent: bool = False) -> list[Verdict]:
        """said: LLR of the witness on windows that are as fresh as can be. silent: there is a witness, it is silent."""
        count = round(seconds * FPS)
        rows = self.space.windows(self.space.driver(driver), count, round(self.now))
        verdicts = []
        for row in rows:
            self.now += 1 / FPS
            opinion = None
            if silent:
                opinion = self.opinion(None)
            elif said is not None:
                opinion = self.opinion(said)
            verdicts.append(self.verifier.update(row, 1.0, self.now, FPS, opinion))
        return verdicts

    def opinion(self, llr: float | None, *, age: float = 0.2, window: float = 2.0) -> Opinion:
        heard = self.now - age
        statement = Statement("facial_codes", llr, None if llr is not None else "collecting", heard - window, heard)
        return Opinion(self.template, (statement,))


def seated(space: DriverSpace, fusion: Fusion | None = FUSION) -> Seat:
    template = space.template(space.driver(1))
    verifier = Verifier(space.spec, VerifyConfig(), fusion)
    verifier.set_template(template)
    return Seat(space, template, verifier)


@pytest.fixture
def seat(space: DriverSpace) -> Seat:
    return seated(space)


def test_a_silent_witness_changes_no_bit(space: DriverSpace) -> None:
    alone, beside = seated(space, None), seated(space)
    for driver, seconds in ((1, 12.0), (2, 8.0), (1, 3.0)):
        for one, other in zip(alone.play(driver, seconds), beside.play(driver, seconds, silent=True), strict=True):
            assert replace(other, second=None) == one


def test_nobody_is_asked_where_there_are_none(seat: Seat) -> None:
    assert all(verdict.second is None for verdict in seat.play(1, 4))


def test_a_witness_that_speaks_against_takes_a_verdict_back(space: DriverSpace) -> None:
    said = {said: seated(space).play(1, 40, said) for said in (None, 6.0, -6.0)}
    assert said[None][-1].state is said[6.0][-1].state is DriverState.VERIFIED
    assert said[-6.0][-1].state is DriverState.UNCERTAIN
    for alone, backed, opposed in zip(*said.values(), strict=True):
        assert backed.evidence >= alone.evidence - 1e-9
        assert opposed.evidence <= alone.evidence + 1e-9


def test_it_tells_what_was_weighed(seat: Seat) -> None:
    last = seat.play(1, 12, 2.0)[-1]
    assert last.second is not None
    engine, codes = last.second.opinions
    assert (engine.name, engine.weight, engine.age_seconds) == (ENGINE, 1.0, 0.0)
    assert engine.llr == last.llr
    assert (codes.llr, codes.weight, codes.why) == (2.0, 1.0, None)
    assert codes.age_seconds == pytest.approx(0.2)
    assert last.second.fused is not None
    assert last.llr is not None
    assert last.second.fused.llr == pytest.approx(min(last.llr, 6.0) + 2.0)


def test_evidence_adds_up_what_a_fused_llr_comes_to_per_window(space: DriverSpace) -> None:
    one = seated(space)
    one.verifier = Verifier(space.spec, VerifyConfig(half_life_seconds=600, evidence_limit=100), FUSION)
    one.verifier.set_template(one.template)
    before = one.play(1, 8.0, 1.5)[-1].evidence
    verdicts = one.play(1, 4.0, 1.5)
    fused = [verdict.second.fused.per_window for verdict in verdicts if verdict.second and verdict.second.fused]
    assert len(fused) == len(verdicts)
    assert verdicts[-1].evidence - before == pytest.approx(sum(fused) / WINDOW_FRAMES, rel=0.05)


def test_what_was_said_before_an_interruption_does_not_count_after_it(seat: Seat) -> None:
    seat.play(1, 12, 3.0)
    abstained = seat.verifier.abstain(AbstainReason.NO_FACE, seat.now, seat.opinion(3.0))
    assert abstained.second is not None
    assert abstained.second.fused is None
    assert [each.weight for each in abstained.second.opinions] == [0, 0]
    window = 2.0 + MARGIN_SECONDS + 0.2
    for verdict in seat.play(1, window - 0.1, 3.0):
        assert verdict.second is not None
        assert verdict.second.fused is None
        assert "starting anew" in (verdict.second.opinions[1].why or "")
    later = seat.play(1, 4, 3.0)[-1]
    assert later.second is not None
    assert later.second.fused is not None


def test_a_gap_in_the_video_counts_as_an_interruption(seat: Seat) -> None:
    seat.play(1, 12, 3.0)
    seat.now += 1.2
    after = seat.play(2, 0.1, 3.0)[-1]
    assert after.second is not None
    assert after.second.fused is None


def test_an_old_opinion_is_not_heard(seat: Seat) -> None:
    seat.play(1, 12, 3.0)
    row = seat.space.windows(seat.space.driver(1), 1)[0]
    seat.now += 1 / FPS
    verdict = seat.verifier.update(row, 1.0, seat.now, FPS, seat.opinion(3.0, age=TOO_OLD_SECONDS))
    assert verdict.second is not None
    assert verdict.second.fused is None
    assert verdict.second.opinions[1].why == "no face tracked for 3 s"
    assert verdict.second.opinions[1].age_seconds == pytest.approx(TOO_OLD_SECONDS)


def test_an_opinion_on_another_template_is_not_heard(seat: Seat) -> None:
    seat.play(1, 12)
    other = replace(seat.opinion(3.0), template=None)
    assert seat.verifier.update(np.eye(1, 32, dtype=np.float32)[0], 1.0, seat.now, FPS, other).second is None


def test_why_the_tracker_is_away_is_the_reason(seat: Seat) -> None:
    seat.play(1, 12)
    away = replace(seat.opinion(None), trouble="the tracker has ended", statements=(_waiting(),))
    row = seat.space.windows(seat.space.driver(1), 1)[0]
    verdict = seat.verifier.update(row, 1.0, seat.now, FPS, away)
    assert verdict.second is not None
    assert verdict.second.opinions[1].why == "the tracker has ended"


def _waiting() -> Statement:
    return Statement("facial_codes", None, "collecting video (10% of a window)", waits=True)


def test_a_witness_without_weights_is_shown_and_not_weighed(space: DriverSpace) -> None:
    one, alone = seated(space, Fusion(None, MODELS)), seated(space, None)
    verdicts = one.play(1, 12, -6.0)
    assert [verdict.evidence for verdict in verdicts] == [verdict.evidence for verdict in alone.play(1, 12)]
    second = verdicts[-1].second
    assert second is not None
    assert second.opinions[0].weight == 1.0
    assert second.opinions[1].llr == -6.0
    assert "no fusion weights" in (second.opinions[1].why or "")


steps = st.lists(
    st.tuples(
        st.sampled_from(["frame", "bad frame", "abstain", "gap", "template"]), st.floats(-20, 20), st.floats(0, 4)
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(steps=steps)
def test_never_verified_on_missing_evidence(steps: list[tuple[str, float, float]]) -> None:
    """Whatever witnesses say, without a full window of the engine's own nobody is verified."""
    one = seated(driver_space())
    row = one.space.windows(one.space.driver(1), 1)[0]
    frames = 0
    for kind, llr, age in steps:
        opinion = one.opinion(llr, age=age)
        if kind == "frame":
            for _ in range(16):
                one.now += 1 / FPS
                verdict = one.verifier.update(row, 1.0, one.now, FPS, opinion)
                frames += 1
                assert verdict.state is not DriverState.VERIFIED or frames >= WINDOW_FRAMES
            continue
        if kind == "bad frame":
            one.now += 1 / FPS
            verdict = one.verifier.update(row, 0.0, one.now, FPS, opinion)
            assert verdict.second is None or verdict.second.fused is None
        elif kind == "abstain":
            verdict = one.verifier.abstain(AbstainReason.NO_FACE, one.now, opinion)
            frames = 0
            assert verdict.state is DriverState.ABSTAIN
        elif kind == "gap":
            one.now += 1.1
        else:
            assert one.verifier.set_template(one.template).state is DriverState.WARMING
            frames = 0
