"""From errors to trials: who is compared with whom, and who is in a cohort."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from training.errors import DataError
from training.metrics import pooled_area
from training.person_models.trials import ANY_FACE, SwapTable, against_cohort, against_general, person_errors


def table(people: int = 4, probes: int = 2, own: float = 0.5) -> SwapTable:
    """Everybody's own model errs `own`, others' 1 + a tenth of their number; the general one 1."""
    driver = np.repeat(np.arange(people), probes)
    owner = np.arange(people)
    errors = np.where(owner[:, None] == driver, own, 1 + owner[:, None] / 10)
    face = np.full(people, ANY_FACE)
    return SwapTable(errors, np.ones(len(driver)), owner, face, driver, np.full(len(driver), ANY_FACE))


def test_own_models_that_err_less_tell_everybody_apart() -> None:
    found = table()
    for score in (against_general, against_cohort):
        trials = found.trials(score(found))
        assert len(trials.scores) == 4 * 8
        assert int(trials.genuine.sum()) == 8
        assert pooled_area(trials) == 1


def test_scores_are_log_ratios_and_leave_both_sides_out_of_the_cohort() -> None:
    found = table()
    assert against_general(found)[1, 2] == pytest.approx(np.log(2))
    assert against_general(found)[1, 0] == pytest.approx(-np.log(1.1))
    genuine, impostor = against_cohort(found)[1, 2], against_cohort(found)[1, 0]
    assert genuine == pytest.approx(np.mean(np.log([1.0, 1.2, 1.3])) - np.log(0.5))
    assert impostor == pytest.approx(np.mean(np.log([1.2, 1.3])) - np.log(1.1))
    with pytest.raises(DataError, match="three people"):
        against_cohort(table(2))


def test_trials_and_cohorts_keep_to_one_face() -> None:
    faces = np.array([0, 0, 0, 1, 1, 1])
    found = replace(table(6, 1), model_face=faces, face=faces)
    trials = found.trials(against_cohort(found))
    assert len(trials.scores) == 2 * 9
    assert set(trials.target.tolist()) == {0, 1}
    assert against_cohort(found)[0, 1] == pytest.approx(np.log(1.2) - np.log(1.0))
    assert [one.others for one in person_errors(found)][:2] == pytest.approx([1.15, 1.1])


def test_neighbouring_probes_are_heard_together() -> None:
    found = table(3, 5)
    found = replace(found, general=np.arange(15.0))
    heard = found.pooled(4)
    assert heard.driver.tolist() == [0, 0, 1, 1, 2, 2]
    assert heard.general.tolist() == [1.5, 4, 6.5, 9, 11.5, 14]
    assert heard.errors.shape == (3, 6)


def test_errors_of_a_person_are_of_own_general_and_other_models() -> None:
    first = person_errors(table())[0]
    assert (first.own, first.general) == (0.5, 1)
    assert first.others == pytest.approx(1.2)
