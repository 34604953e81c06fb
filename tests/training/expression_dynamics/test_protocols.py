"""Who is trained on, who is asked about, and what is counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.training.expression_dynamics.conftest import recordings_of
from training.errors import DataError
from training.expression_dynamics.measures import closed_figures, closed_gain, mean_tally, open_figures, open_gain
from training.expression_dynamics.protocols import closed_split, closed_tally, open_splits, open_trials
from training.expression_dynamics.recordings import Recording


def test_the_closed_set_asks_for_the_last_recording_of_everybody_with_three(people_apart: list[Recording]) -> None:
    two_only = [one for one in people_apart if one.person != "p03" or one.session != "g0"]
    split = closed_split(two_only, 100)
    assert len(split.asked) == 9
    assert "p03" not in split.asked
    assert [[one.session for one in own] for own in split.train] == [["g0", "g1"]] * 9
    assert split.probe.values.shape == (9 * 5, 100, 5)
    assert [one.session for one in split.recordings()[0]] == ["g0", "g1", "g2"]


def test_people_who_are_verified_are_not_trained_on(people_apart: list[Recording]) -> None:
    splits = open_splits(people_apart, 100, draws=3, held_out=4)
    assert len({split.asked for split in splits}) == 3
    for split in splits:
        assert not {own[0].person for own in split.train} & set(split.asked)
        assert len(split.train) + len(split.asked) == 10
        assert split.enrol is not None
        assert len(split.probe.values) == 4 * 3  # no two share a row
        assert len(split.enrol.values) == 4 * 2 * 5


def test_recordings_that_are_too_short_are_left_out_and_too_few_people_refused(people_apart: list[Recording]) -> None:
    with pytest.raises(DataError, match="0 people have 3 recordings of 301 rows"):
        closed_split(people_apart, 301)
    with pytest.raises(DataError, match="too few to hold 9"):
        open_splits(people_apart, 100, 1, held_out=9)


def test_first_and_among_five_count_windows_and_whole_recordings() -> None:
    split = closed_split(recordings_of(people=7, each=3, rows=40), 20)
    logits = np.zeros((len(split.probe.values), 7))
    logits[np.arange(len(logits)), split.probe.person] = 1
    logits[split.probe.person == 2] = np.arange(7)  # four come before number 2
    logits[split.probe.person == 1] = -np.arange(7) * (1.0, -1.0, 1, 1, 1, 1, 1)
    logits[np.flatnonzero(split.probe.person == 0)[0], 3] = 1.5  # of three windows, one names another
    tally = closed_tally(logits, split)
    assert tally.windows.tolist() == [3] * 7
    assert tally.first.tolist() == [2, 3, 0, 3, 3, 3, 3]
    assert tally.among_five.tolist() == [3] * 7
    assert tally.recording_first.tolist() == [1, 1, 0, 1, 1, 1, 1]
    figures = closed_figures(mean_tally([tally, tally]))
    assert figures.first.value == pytest.approx(17 / 21)
    assert figures.first.low < figures.first.value < figures.first.high
    assert (figures.people, figures.windows, figures.chance) == (7, 21, 1 / 7)
    assert closed_gain(tally, tally).high == 0
    better = replace(tally, first=tally.windows)
    assert closed_gain(better, tally).value == pytest.approx(4 / 21)
    assert closed_gain(better, tally).low >= 0


def test_trials_compare_every_probe_with_every_template(people_apart: list[Recording]) -> None:
    split = open_splits(people_apart, 100, 1, held_out=4)[0]
    assert split.enrol is not None
    numbers = {f"p{number:02d}": number for number in range(10)}
    trials = open_trials(np.eye(4)[split.enrol.person], np.eye(4)[split.probe.person], split, numbers)
    assert len(trials.scores) == 4 * 12
    assert trials.genuine.sum() == 12
    np.testing.assert_allclose(trials.scores, trials.genuine)
    found = open_figures([trials, trials], 10)
    assert (found.area.value, found.area.low, found.equal_error.value) == (1, 1, 0)
    useless = replace(trials, scores=np.zeros_like(trials.scores))
    gain = open_gain([trials], [useless], 10)
    assert (gain.value, gain.low, gain.high) == (0.5, 0.5, 0.5)


def test_nobody_is_enrolled_in_a_closed_set(people_apart: list[Recording]) -> None:
    with pytest.raises(DataError, match="nobody is enrolled"):
        open_trials(np.eye(4), np.eye(4), closed_split(people_apart, 100), {})
