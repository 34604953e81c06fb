"""Which faces are learnt together: by the curriculum, by one shuffle, or of everybody."""

from __future__ import annotations

import numpy as np
import torch

from tests.training.person_models.made_up_people import recording
from training.person_models.augment import augmented
from training.person_models.pairs import GeneralPairs, PersonPairs, partners, separation


def recording_of(places: np.ndarray, lengths: list[int]) -> np.ndarray:
    return np.searchsorted(np.cumsum(lengths), places, side="right")


def test_faces_grow_apart_as_published() -> None:
    assert [separation(epoch) for epoch in (1, 10, 49, 50, 99, 100, 200)] == [2, 20, 98, 200, 396, 500, 1000]


def test_partners_are_ahead_behind_at_the_end_and_never_outside() -> None:
    places, length = np.arange(6), np.full(6, 6)
    assert partners(places, length, 2).tolist() == [2, 3, 4, 5, 2, 3]
    assert partners(places, length, 4).tolist() == [4, 5, 5, 0, 0, 1]
    assert partners(places, length, 50).tolist() == [5, 5, 5, 0, 0, 0]
    assert partners(np.zeros(1, np.int64), np.ones(1, np.int64), 2).tolist() == [0]


def test_the_curriculum_shows_every_frame_once_an_epoch_beside_one_of_its_recording() -> None:
    lengths = [30, 12]
    source = PersonPairs([recording(0, 30), recording(1, 12)], curriculum=True, seed=0)
    for epoch in (1, 3):
        pairs = source.pairs(epoch)
        assert sorted(pairs.first.tolist()) == list(range(42))
        np.testing.assert_array_equal(recording_of(pairs.first, lengths), recording_of(pairs.second, lengths))
        assert set(np.abs(pairs.first - pairs.second).tolist()) == {2 * epoch}
        assert not pairs.mirrored.any()
    assert source.pairs(1).first.tolist() != source.pairs(2).first.tolist()


def test_without_a_curriculum_the_pairs_stay_the_same() -> None:
    source = PersonPairs([recording(0, 30), recording(1, 12)], curriculum=False, seed=0)
    early, late = ({*zip(p.first.tolist(), p.second.tolist(), strict=True)} for p in map(source.pairs, (1, 4)))
    assert early == late
    first, second = np.array(sorted(early)).T
    np.testing.assert_array_equal(recording_of(first, [30, 12]), recording_of(second, [30, 12]))
    assert len(set(second.tolist())) == 42


def test_half_of_the_general_pairs_are_a_face_and_its_mirror_and_people_count_alike() -> None:
    everybody = [[recording(0, 40) for _ in range(9)], [recording(1, 40)]]
    pairs = GeneralPairs(everybody, 400, seed=0).pairs(2)
    assert int(pairs.mirrored.sum()) == 200
    np.testing.assert_array_equal(pairs.first[pairs.mirrored], pairs.second[pairs.mirrored])
    assert set(np.abs(pairs.first - pairs.second)[~pairs.mirrored].tolist()) == {4}
    assert 150 < int((pairs.first >= 360).sum()) < 250
    np.testing.assert_array_equal(pairs.first // 40, pairs.second // 40)


def test_changes_are_small_drawn_for_each_face_and_repeat_by_seed() -> None:
    face = torch.from_numpy(recording(2, 1).faces).float()[:, None].expand(6, 1, 64, 64) / 255
    changed = augmented(face, torch.Generator().manual_seed(0), flip=False)
    torch.testing.assert_close(augmented(face, torch.Generator().manual_seed(0), flip=False), changed)
    assert changed.shape == face.shape
    assert 0 < float((changed - face).abs().mean()) < 0.1
    assert not torch.allclose(changed[0], changed[1])


def test_flips_are_made_only_where_asked() -> None:
    ramp = torch.linspace(0.2, 0.8, 64).expand(40, 1, 64, 64)

    def rising(faces: torch.Tensor) -> int:
        return int((faces[:, 0, :, -1].mean(1) > faces[:, 0, :, 0].mean(1)).sum())

    assert rising(augmented(ramp, torch.Generator().manual_seed(0), flip=False)) == 40
    assert 8 < rising(augmented(ramp, torch.Generator().manual_seed(0), flip=True)) < 32
