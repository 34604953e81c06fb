"""Only movements that differ beyond the enrolment's own spread are named, the most telling ones first."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from engines.witnesses.explanation import Explanation
from guard.verify.movements import MOST, distinct_movements
from tests.guard.verify.made_witnesses import explanation


def shares(*pairs: tuple[int, float]) -> NDArray[np.float32]:
    """An embedding whose squares are these shares; the rest goes to entry 51."""
    row = np.zeros(52)
    for token, share in pairs:
        row[token] = share
    row[51] += 1 - row.sum()
    return np.sqrt(row).astype(np.float32)


TEMPLATE = np.stack([shares((0, 0.4), (1, 0.3)), shares((0, 0.4), (1, 0.3))])


def test_what_is_seen_more_and_less_often_is_named() -> None:
    found = distinct_movements("facial_codes", TEMPLATE, [shares((0, 0.1), (1, 0.3), (2, 0.4))], explanation())
    assert [(each.token, each.direction) for each in found] == [(2, "more"), (0, "less"), (51, "less")]
    assert found[0].share == np.float32(0.4 / 0.8).item() or abs(found[0].share - 0.5) < 1e-5
    assert (found[0].words, found[0].picture, found[0].witness) == ("movement 2", "2.png", "facial_codes")


def test_the_template_itself_stands_out_in_nothing() -> None:
    assert distinct_movements("facial_codes", TEMPLATE, [TEMPLATE[0]], explanation()) == ()
    assert distinct_movements("facial_codes", TEMPLATE, [], explanation()) == ()


def test_what_varied_at_enrolment_is_not_held_against_anybody() -> None:
    restless = np.stack([shares((0, 0.0)), shares((0, 0.4))])
    found = distinct_movements("facial_codes", restless, [shares((0, 0.35))], explanation())
    assert 0 not in [each.token for each in found]


def test_movements_without_words_are_left_out() -> None:
    words = Explanation({51: explanation().tokens[51]})
    found = distinct_movements("facial_codes", TEMPLATE, [shares((2, 0.9))], words)
    assert [each.token for each in found] == [51] or found == ()


@given(seed=st.integers(0, 10_000), windows=st.integers(1, 6), probes=st.integers(1, 8))
def test_few_in_order_and_shares_within_the_whole(seed: int, windows: int, probes: int) -> None:
    random = np.random.default_rng(seed)
    rows = random.gamma(0.3, 1.0, (windows + probes, 52)) + 1e-6
    rows = np.sqrt(rows / rows.sum(axis=1, keepdims=True)).astype(np.float32)
    found = distinct_movements("facial_codes", rows[:windows], list(rows[windows:]), explanation())
    assert len(found) <= MOST
    assert [each.share for each in found] == sorted((each.share for each in found), reverse=True)
    assert sum(each.share for each in found) <= 1 + 1e-6
