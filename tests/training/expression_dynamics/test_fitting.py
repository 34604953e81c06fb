"""Encoders and discriminants learn who is who, and are asked about windows that they have not seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from training.errors import DataError, TrainingError
from training.expression_dynamics.closed_form import deviations
from training.expression_dynamics.conformer import Conformer, ConformerConfig
from training.expression_dynamics.fitting import FitConfig, fit_encoder, inputs
from training.expression_dynamics.protocols import closed_split, closed_tally
from training.expression_dynamics.recordings import Recording
from training.expression_dynamics.systems import closed_form, encoded

torch.set_num_threads(1)
CONFIG = FitConfig(frames=60, people=6, windows=3, steps=40)


def small(channels: int) -> Conformer:
    return Conformer(ConformerConfig(channels, joined=2, width=16, blocks=1, heads=2, kernel=5, embedding_size=24))


def first(logits: np.ndarray, split: object) -> float:
    tally = closed_tally(logits, split)  # type: ignore[arg-type]
    return float(tally.first.sum() / tally.windows.sum())


def test_a_trained_encoder_knows_people_in_recordings_that_it_has_not_seen(people_apart: list[Recording]) -> None:
    split = closed_split(people_apart, 60)
    losses: list[float] = []
    fitted = fit_encoder(split.train, small, CONFIG, lambda _step, loss: losses.append(loss))
    assert len(losses) == 40
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
    assert first(fitted.logits(split.probe.values), split) > 0.3  # chance is 0.1
    assert fitted.embed(split.probe.values).shape == (len(split.probe.values), 24)


def test_the_same_seed_trains_the_same_and_another_one_otherwise(people_apart: list[Recording]) -> None:
    split = closed_split(people_apart, 60)
    short = replace(CONFIG, steps=2)
    one, again, other = (fit_encoder(split.train, small, replace(short, seed=seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.embed(split.probe.values), again.embed(split.probe.values))
    assert not np.allclose(one.embed(split.probe.values), other.embed(split.probe.values))


def test_an_embedding_does_not_depend_on_its_batch_or_on_where_the_face_stands(people_apart: list[Recording]) -> None:
    split = closed_split(people_apart, 60)
    fitted = fit_encoder(split.train, small, replace(CONFIG, steps=2))
    values = split.probe.values[:4]
    np.testing.assert_allclose(fitted.embed(values)[1:2], fitted.embed(values[1:2]), atol=1e-5)
    np.testing.assert_allclose(fitted.embed(values), fitted.embed(values + 50), atol=1e-2)


def test_inputs_are_levelled_channels_and_their_steps() -> None:
    values = np.random.default_rng(0).normal(9, 1, (2, 60, 3)).astype(np.float32)
    found = inputs(values, CONFIG)
    assert found.shape == (2, 60, 6)
    np.testing.assert_allclose(np.median(found[..., :3], axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(found[:, 1:, 3:], np.diff(values, axis=1), atol=1e-5)
    assert inputs(values, replace(CONFIG, derivatives=False)).shape == (2, 60, 3)
    shuffled = inputs(values, replace(CONFIG, shuffled=True))
    assert not np.allclose(shuffled, found)
    np.testing.assert_allclose(np.sort(shuffled[..., :3], axis=1), np.sort(found[..., :3], axis=1), atol=1e-6)


def test_recordings_that_hold_no_window_are_refused(people_apart: list[Recording]) -> None:
    with pytest.raises(DataError, match="fewer than two people"):
        fit_encoder([[one] for one in people_apart], small, replace(CONFIG, frames=400))


def test_a_loss_that_is_no_number_ends_the_training(people_apart: list[Recording]) -> None:
    broken = [[replace(one, values=one.values * np.float32(np.nan))] for one in people_apart]
    with pytest.raises(TrainingError, match="no number at step 1"):
        fit_encoder(broken, small, CONFIG)


def test_discriminants_of_numbers_and_of_embeddings_give_probabilities_and_unit_rows(
    people_apart: list[Recording],
) -> None:
    split = closed_split(people_apart, 60)
    for train in (closed_form(deviations, "median", 60), encoded(small, lambda seed: replace(CONFIG, seed=seed))):
        trained = train(split.train, 0)
        logits = trained.logits(split.probe.values)
        np.testing.assert_allclose(np.exp(logits).sum(axis=1), 1, atol=1e-6)
        assert first(logits, split) > 0.3
        np.testing.assert_allclose(np.linalg.norm(trained.embed(split.probe.values), axis=1), 1, atol=1e-9)
