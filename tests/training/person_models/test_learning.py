"""Learning gets better at a person, tells how far it is, stops when asked, and is kept whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.person_models.made_up_people import TINY, recording
from training.errors import CheckpointError, DataError, LearningCancelledError
from training.person_models.checkpoint import learning_cost, load_model, save_model
from training.person_models.kept_models import kept_model
from training.person_models.learning import (
    GENERAL,
    PERSON,
    LearningProgress,
    enrolment_of,
    learn_general,
    learn_person,
)
from training.person_models.network import PersonModel
from training.person_models.score import log_ratio, probe_pairs, swap_errors

torch.set_num_threads(1)
SHORT = replace(GENERAL, epochs=2, pairs=4, half=False)


@pytest.fixture(scope="module")
def general() -> PersonModel:
    return learn_general([[recording(0)], [recording(1)]], TINY, SHORT, pairs_per_epoch=16)


def test_a_person_is_redrawn_better_after_learning(general: PersonModel) -> None:
    faces = recording(2, 120)
    before = {name: value.clone() for name, value in general.state_dict().items()}
    told: list[LearningProgress] = []
    config = replace(SHORT, epochs=1, pairs=8, learning_rate=4e-3)
    own = learn_person(general, [faces], config, report=told.append)
    assert [(one.step, one.steps) for one in told] == [(step, 15) for step in range(1, 16)]
    assert told[-1].loss < told[0].loss
    pairs = probe_pairs(recording(2, 60, "other day").faces, 4)
    better, worse = swap_errors(own, *pairs), swap_errors(general, *pairs)
    assert log_ratio(better, [worse]) > 0
    for name, value in general.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    assert not own.training


def test_learning_repeats_by_seed(general: PersonModel) -> None:
    config = replace(SHORT, epochs=1, pairs=100)
    first, again, other = (
        learn_person(general, [recording(2, 100)], replace(config, seed=seed)).state_dict() for seed in (5, 5, 6)
    )
    name = "encoder.vector.1.weight"
    torch.testing.assert_close(first[name], again[name], rtol=0, atol=0)
    assert not torch.equal(first[name], other[name])


def test_learning_stops_when_asked(general: PersonModel) -> None:
    steps: list[int] = []
    with pytest.raises(LearningCancelledError, match="stopped after 2 of 60 steps"):
        learn_person(
            general,
            [recording(2, 120)],
            SHORT,
            report=lambda p: steps.append(p.step),
            cancelled=lambda: len(steps) == 2,
        )


def test_too_little_video_is_refused_with_the_reason(general: PersonModel) -> None:
    with pytest.raises(DataError, match=r"60 frames are too few .* record 100 or more"):
        learn_person(general, [recording(2, 60)], PERSON)


def test_enrolments_take_whole_recordings_from_all_over() -> None:
    recordings = [recording(0, 10, str(number)) for number in range(20)]
    chosen = [int(one.session) for one in enrolment_of(recordings, 45)]
    assert len(chosen) == 5
    assert chosen == sorted(chosen)
    assert chosen[0] < 5 and chosen[-1] > 14
    assert len(enrolment_of(recordings, 1000)) == 20


def test_scores_are_logs_of_mean_errors() -> None:
    claimed, general = np.array([1.0, 3.0]), np.array([2.0, 6.0])
    assert log_ratio(claimed, [general]) == pytest.approx(np.log(2))
    assert log_ratio(claimed, [general, claimed]) == pytest.approx(np.log(2) / 2)
    with pytest.raises(DataError, match="another model"):
        log_ratio(claimed, [])


def test_the_order_of_a_pair_and_of_the_batch_plays_no_part(general: PersonModel) -> None:
    first, second = probe_pairs(recording(3).faces, 40)
    errors = swap_errors(general, first, second)
    assert errors.shape == (40,)
    np.testing.assert_allclose(swap_errors(general, second, first), errors, rtol=1e-4)
    np.testing.assert_allclose(swap_errors(general, first[-3:], second[-3:]), errors[-3:], rtol=1e-4)


def test_probes_are_evenly_chosen_and_short_ones_are_refused() -> None:
    faces = recording(0, 20).faces
    first, second = probe_pairs(faces, 3, apart=8)
    np.testing.assert_array_equal(first, faces[[0, 6, 11]])
    np.testing.assert_array_equal(second, faces[[8, 14, 19]])
    assert len(probe_pairs(faces, 100)[0]) == 12
    with pytest.raises(DataError, match="8 frames holds no pair"):
        probe_pairs(faces[:8], 3)


def test_models_come_back_from_disk_and_others_are_refused(general: PersonModel, tmp_path: Path) -> None:
    path = tmp_path / "new" / "model.pt"
    save_model(general, path, cpu_seconds=1.5)
    pairs = probe_pairs(recording(0).faces, 2)
    np.testing.assert_allclose(swap_errors(load_model(path), *pairs), swap_errors(general, *pairs), rtol=1e-5)
    assert learning_cost(path) == 1.5
    with pytest.raises(CheckpointError, match="person general"):
        load_model(tmp_path / "none.pt")
    torch.save({"trainee": {}}, path)
    with pytest.raises(CheckpointError, match="is no person model"):
        load_model(path)
    path.write_bytes(b"PK cut short")
    with pytest.raises(CheckpointError, match="is no person model"):
        load_model(path)


def test_kept_models_are_read_again_and_not_taken_for_others(general: PersonModel, tmp_path: Path) -> None:
    config, faces = replace(SHORT, epochs=1, pairs=100), [recording(2, 100)]
    learnt = kept_model(tmp_path / "a.pt", general, faces, config)
    written = (tmp_path / "a.pt").stat().st_mtime_ns
    again = kept_model(tmp_path / "a.pt", general, faces, config)
    assert (tmp_path / "a.pt").stat().st_mtime_ns == written
    torch.testing.assert_close(learnt.state_dict(), again.state_dict())
    with pytest.raises(DataError, match="curriculum True, not False"):
        kept_model(tmp_path / "a.pt", general, faces, replace(config, curriculum=False))
    with pytest.raises(DataError, match="faces "):
        kept_model(tmp_path / "a.pt", general, [recording(3, 100)], config)
