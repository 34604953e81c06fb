"""Cutting windows, taking off their level, and the order of their rows."""

from __future__ import annotations

import numpy as np

from tests.training.expression_dynamics.conftest import recordings_of
from training.expression_dynamics.augmentation import Augmentation
from training.expression_dynamics.windows import cut, cut_all, shuffled_in_time, without_level


def test_windows_begin_every_hop_and_none_reaches_over_the_end() -> None:
    rows = np.arange(11, dtype=np.float32)[:, None]
    assert cut(rows, 4, 2)[:, 0, 0].tolist() == [0, 2, 4, 6]
    assert cut(rows[:3], 4, 2).shape == (0, 4, 1)


def test_windows_remember_whose_they_are_and_of_which_recording() -> None:
    people = [recordings_of(1, 2, 20), recordings_of(1, 1, 30)]
    found = cut_all(people, 10, 10)
    assert found.person.tolist() == [0, 0, 0, 0, 1, 1, 1]
    assert found.recording.tolist() == [0, 0, 1, 1, 2, 2, 2]


def test_level_is_taken_off_each_channel_of_each_window() -> None:
    values = np.random.default_rng(0).normal(3, 1, (2, 9, 3)).astype(np.float32)
    np.testing.assert_allclose(without_level(values, "mean").mean(axis=1), 0, atol=1e-6)
    np.testing.assert_allclose(np.median(without_level(values, "median"), axis=1), 0, atol=1e-6)
    assert without_level(values, "none") is values


def test_shuffling_keeps_rows_whole_and_gives_each_window_an_order_of_its_own() -> None:
    values = np.stack([np.arange(50), np.arange(50) * 2], axis=1)[None].repeat(3, axis=0).astype(np.float32)
    found = shuffled_in_time(values, seed=1)
    np.testing.assert_array_equal(found[..., 1], 2 * found[..., 0])
    np.testing.assert_array_equal(np.sort(found[..., 0], axis=1), values[..., 0])
    assert (found[0] != found[1]).any()


def test_no_augmentation_changes_nothing() -> None:
    drawn = np.random.default_rng(0).normal(size=(2, 10, 3)).astype(np.float32)
    plain = Augmentation()
    assert plain.rows(10) == 10
    np.testing.assert_array_equal(plain.apply(drawn, 10, np.random.default_rng(0)), drawn)


def test_a_faster_tempo_reads_further_and_never_over_the_end() -> None:
    fast = Augmentation(tempo=0.3)
    rows = fast.rows(20)
    ramp = np.arange(rows, dtype=np.float32)[None, :, None].repeat(200, axis=0)
    played = fast.apply(ramp, 20, np.random.default_rng(0))
    assert played.shape == (200, 20, 1)
    last = played[:, -1, 0]
    assert last.min() < 19 < last.max() <= rows - 1
    np.testing.assert_allclose(np.diff(played[:, :, 0], n=2, axis=1), 0, atol=1e-3)


def test_a_dropped_channel_is_flat_and_keeps_its_level() -> None:
    values = np.random.default_rng(0).normal(7, 1, (4, 30, 6)).astype(np.float32)
    found = Augmentation(dropped=1.0).apply(values, 30, np.random.default_rng(0))
    np.testing.assert_allclose(found, values.mean(axis=1, keepdims=True).repeat(30, axis=1), atol=1e-5)
