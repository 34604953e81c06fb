"""Fusion: whoever is missing is left out, nobody is believed beyond a limit, without weights nothing changes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.witnesses.fusion_table import ENGINE, FusedSet, FusionTable
from guard.verify.fusion import Fusion
from tests.guard.verify.made_witnesses import made_table

MODELS = {ENGINE: "a" * 64, "facial_codes": "b" * 64, "expression_dynamics": "c" * 64}
LIMIT = 6.0

SETS = (
    FusedSet(weights={ENGINE: 1.0, "facial_codes": 0.3}, bias=-0.1),
    FusedSet(weights={ENGINE: 0.9, "expression_dynamics": 0.8}, bias=0.2),
    FusedSet(weights={ENGINE: 0.8, "facial_codes": 0.2, "expression_dynamics": 0.7}, bias=0.1),
)

nats = st.floats(-50, 50)


@pytest.fixture(scope="module")
def fusion() -> Fusion:
    return Fusion(made_table(MODELS, *SETS), MODELS)


@given(engine=nats, codes=nats, dynamics=nats)
def test_the_formula_of_the_set_that_speaks(fusion: Fusion, engine: float, codes: float, dynamics: float) -> None:
    held = [min(max(llr, -LIMIT), LIMIT) for llr in (engine, codes, dynamics)]
    fused = fusion.fuse(engine, {"facial_codes": codes, "expression_dynamics": dynamics})
    assert fused is not None
    assert fused.llr == pytest.approx(0.1 + 0.8 * held[0] + 0.2 * held[1] + 0.7 * held[2])
    without = fusion.fuse(engine, {"expression_dynamics": dynamics})
    assert without is not None
    assert without.llr == pytest.approx(0.2 + 0.9 * held[0] + 0.8 * held[2])
    assert without.per_window == pytest.approx(without.llr / 2)


@given(engine=nats, codes=nats, more=st.floats(0, 20), who=st.sampled_from(["engine", "codes"]))
def test_more_evidence_for_the_driver_never_counts_against(
    fusion: Fusion, engine: float, codes: float, more: float, who: str
) -> None:
    before = fusion.fuse(engine, {"facial_codes": codes})
    engine, codes = (engine + more, codes) if who == "engine" else (engine, codes + more)
    after = fusion.fuse(engine, {"facial_codes": codes})
    assert before is not None
    assert after is not None
    assert after.llr >= before.llr - 1e-9


@given(engine=nats, codes=nats)
def test_one_opinion_is_believed_within_its_limit_only(fusion: Fusion, engine: float, codes: float) -> None:
    fused = fusion.fuse(engine, {"facial_codes": codes})
    assert fused is not None
    assert abs(fused.llr) <= 0.1 + LIMIT * 1.3 + 1e-9


@given(engine=nats, odd=st.sampled_from([math.nan, math.inf, -math.inf]))
def test_what_is_no_number_is_not_heard(fusion: Fusion, engine: float, odd: float) -> None:
    assert fusion.fuse(engine, {"facial_codes": odd}) is None
    assert fusion.fuse(engine, {"facial_codes": odd, "expression_dynamics": 1.0}) == fusion.fuse(
        engine, {"expression_dynamics": 1.0}
    )
    assert fusion.fuse(odd, {"facial_codes": 1.0}) is None


def test_witnesses_alone_are_never_fused(fusion: Fusion) -> None:
    assert fusion.fuse(1.0, {}) is None
    assert fusion.fuse(1.0, {"person_model": 3.0}) is None


def test_without_weights_for_all_that_speak_the_largest_known_set_holds() -> None:
    fusion = Fusion(made_table(MODELS, *SETS[:2]), MODELS)
    fused = fusion.fuse(1.0, {"facial_codes": 1.0, "expression_dynamics": 1.0})
    assert fused is not None
    assert set(fused.weights) == {ENGINE, "facial_codes"}


def test_weights_of_other_models_are_worth_nothing() -> None:
    for name in (ENGINE, "facial_codes"):
        fusion = Fusion(made_table(MODELS, SETS[0]), {**MODELS, name: "f" * 64})
        assert fusion.fuse(1.0, {"facial_codes": 1.0}) is None
        assert "another version" in fusion.why_unweighed("facial_codes")
    assert "no fusion weights" in Fusion(None, MODELS).why_unweighed("facial_codes")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"sets": [{"weights": {"facial_codes": 1.0}, "bias": 0}]}, "must hold 'f5c'"),
        ({"sets": [{"weights": {ENGINE: -1.0}, "bias": 0}]}, "greater than or equal to 0"),
        ({"sets": [{"weights": {ENGINE: 1.0, "stranger": 1.0}, "bias": 0}]}, "stranger are not named"),
        ({"sets": [{"weights": {ENGINE: 1.0}, "bias": 0}] * 2}, "weighed twice"),
        ({"seconds": 0}, "greater than 0"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(content: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        FusionTable.model_validate({**made_table(MODELS, *SETS).model_dump(), **content})
