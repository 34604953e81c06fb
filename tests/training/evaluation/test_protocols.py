"""Selection of trials: counted by hand on a small table, and blind to what it must not see."""

from __future__ import annotations

from itertools import product
from math import comb

import numpy as np
import pytest
from numpy.typing import NDArray

from training.errors import DataError
from training.evaluation.protocols import (
    ClipLabels,
    ClipTable,
    Selection,
    clip_table,
    cross_cross_trials,
    published_trials,
    session_trials,
)
from training.metrics import mean_target_area, pooled_area

PEOPLE, SESSIONS, GENERATORS = 4, 3, ("warp", "mesh")


def labels() -> list[ClipLabels]:
    """Everybody drives everybody with three sentences through two generators; p0 and p1 come from another data set."""
    made = [
        ClipLabels(f"p{driver}", f"p{target}", f"s{session}", generator, source(driver), False)
        for driver, target, session, generator in product(range(PEOPLE), range(PEOPLE), range(SESSIONS), GENERATORS)
    ]
    camera = [
        ClipLabels(f"p{person}", f"p{person}", f"s{session}", "none", source(person), True)
        for person, session in product(range(PEOPLE), range(SESSIONS))
    ]
    return made + camera


def source(person: int) -> str:
    return "here" if person < 2 else "there"


def table(embed: str) -> ClipTable:
    """One-hot embeddings of the driver, the target or the source alone."""
    people = clip_table(np.zeros((len(labels()), 1), np.float32), labels())
    code = {"driver": people.driver, "target": people.target, "source": (people.source == "here").astype(int)}[embed]
    one_hot: NDArray[np.float32] = np.eye(PEOPLE, dtype=np.float32)[code]
    return clip_table(one_hot, labels())


def test_published_pairs_are_counted_by_hand() -> None:
    clips = table("driver")
    own, cross = SESSIONS * len(GENERATORS) + SESSIONS, (PEOPLE - 1) * SESSIONS * len(GENERATORS)
    everything = published_trials(clips)
    assert int(everything.genuine.sum()) == PEOPLE * comb(own, 2)
    assert int((~everything.genuine).sum()) == PEOPLE * own * cross
    without = published_trials(clips, Selection(originals=False))
    assert int(without.genuine.sum()) == PEOPLE * comb(own - SESSIONS, 2)
    assert int((~without.genuine).sum()) == PEOPLE * (own - SESSIONS) * cross
    one = published_trials(clips, Selection(generator="warp"))
    assert int(one.genuine.sum()) == PEOPLE * comb(SESSIONS, 2)
    apart = published_trials(clips, Selection(same_session_positives=False))
    assert int(apart.genuine.sum()) == PEOPLE * (comb(own, 2) - SESSIONS * comb(len(GENERATORS) + 1, 2))
    same = published_trials(clips, Selection(same_source_negatives=True))
    assert int((~same.genuine).sum()) == PEOPLE * own * cross // (PEOPLE - 1)


def test_driver_is_told_and_target_is_not() -> None:
    assert mean_target_area(published_trials(table("driver"))) == 1.0
    assert mean_target_area(published_trials(table("target"))) == 0.5
    assert pooled_area(cross_cross_trials(table("driver"), same_target=True)) == 1.0
    assert pooled_area(cross_cross_trials(table("target"), same_target=True)) == 0.5
    assert pooled_area(cross_cross_trials(table("target"), same_target=False)) == 0.5


def test_a_shortcut_over_the_source_falls_to_chance_with_same_source_negatives() -> None:
    """Trap 6: two thirds of the strangers come from the other data set, and only they are told apart."""
    clips = table("source")
    assert mean_target_area(published_trials(clips)) == pytest.approx(2 / 3 + 1 / 6)
    assert mean_target_area(published_trials(clips, Selection(same_source_negatives=True))) == 0.5
    assert pooled_area(cross_cross_trials(clips, same_target=True)) == 0.5


def test_cross_cross_pairs_are_crossed_apart_and_of_one_source() -> None:
    clips = table("driver")
    trials = cross_cross_trials(clips, same_target=True)
    # A driver's clips on one face: 3 sentences x 2 generators, pairs of one sentence left out; 3 faces not their own.
    genuine = PEOPLE * (PEOPLE - 1) * comb(SESSIONS, 2) * len(GENERATORS) ** 2
    # Of one data set are two people, who share the two faces of the other one.
    impostor = 2 * 2 * (SESSIONS * len(GENERATORS)) ** 2
    assert int(trials.genuine.sum()) == genuine
    assert int((~trials.genuine).sum()) == impostor
    assert (trials.target >= 0).all()
    assert (cross_cross_trials(clips, same_target=False).target == -1).all()


def test_sessions_of_two_people_are_never_one() -> None:
    trials = session_trials(table("driver"))
    clips = len(labels())
    together = PEOPLE * SESSIONS * comb(PEOPLE * len(GENERATORS) + 1, 2)
    assert len(trials.scores) == comb(clips, 2) - together
    assert pooled_area(trials) == 1.0


def test_what_a_table_cannot_show_is_said() -> None:
    camera = table("driver").subset(np.array([label.original for label in labels()]))
    with pytest.raises(DataError, match="two self-reenactments"):
        published_trials(camera)
    with pytest.raises(DataError, match="cross-reenacted pairs on one target"):
        cross_cross_trials(camera, same_target=True)
    with pytest.raises(DataError, match="no clips"):
        clip_table(np.zeros((0, 2), np.float32), [])
