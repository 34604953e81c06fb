"""The discriminant on classes whose best directions are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from training.data.stored import StoredClips
from training.discriminant import SIZE, directions, discriminant
from training.errors import DataError
from training.models.streaming import (
    MOMENTS_SIZE,
    POSITION_SIZE,
    EmbeddingLayers,
    LogMoments,
    Positions,
    StreamingConfig,
)


def test_it_turns_away_from_what_scatters_within_a_class() -> None:
    """Classes differ along both axes alike, but members of one scatter along the first."""
    random = np.random.default_rng(0)
    label = np.repeat(np.arange(40), 50)
    values = random.normal(size=(40, 2))[label] + random.normal(size=(2000, 2)) * (5, 0.1)
    (first, second) = directions(values, label, 1)[:, 0]
    assert abs(second) > 3 * abs(first)


def test_directions_have_equal_scatter_within_and_none_in_common() -> None:
    random = np.random.default_rng(1)
    label = np.repeat(np.arange(60), 40)
    values = random.normal(size=(60, 5))[label] + random.normal(size=(2400, 5))
    found = values @ directions(values, label, 3)
    within = np.cov((found - np.stack([found[label == one].mean(0) for one in range(60)])[label]).T)
    np.testing.assert_allclose(within, np.eye(3) * within[0, 0], atol=0.05)


def test_there_are_no_more_directions_than_classes_leave() -> None:
    values = np.random.default_rng(2).normal(size=(30, 8))
    assert directions(values, np.arange(30) % 3, 5).shape == (8, 2)
    with pytest.raises(DataError, match="two drivers at least"):
        directions(values, np.zeros(30, np.int64), 5)


def positions(length: int) -> StoredClips:
    """30 drivers, four clips each, whose values scatter by an amount that is the driver's, at places of their own."""
    random = np.random.default_rng(3)
    driver = np.repeat(np.arange(30), 4)
    habit = np.exp(random.normal(size=(30, 1, POSITION_SIZE)))[driver]
    values = habit * np.abs(random.normal(size=(120, length, POSITION_SIZE)))
    nothing = np.zeros((120, length, 0), np.float16)
    return StoredClips(values.astype(np.float32), nothing, driver, driver * 0, nothing[..., None])


def test_layers_project_standardised_log_moments_on_the_directions_of_drivers() -> None:
    """Of three windows of each clip."""
    layers = EmbeddingLayers(StreamingConfig(embedding_size=SIZE)).eval()
    clips = positions(81)
    discriminant([clips], (27,), layers)
    every = torch.ones(360, 27, dtype=torch.bool)
    windows = torch.from_numpy(clips.inputs).reshape(360, 27, POSITION_SIZE)
    moments = Positions(windows, every).moments()
    with torch.no_grad():
        found = layers(moments)
        standard = layers.norm(LogMoments()(moments))
    assert moments.shape == (360, MOMENTS_SIZE)
    torch.testing.assert_close(standard.mean(0), torch.zeros(MOMENTS_SIZE), atol=1e-3, rtol=0)
    torch.testing.assert_close(standard.std(0, correction=0), torch.ones(MOMENTS_SIZE), atol=1e-3, rtol=0)
    driver = np.repeat(clips.driver, 3)
    own = torch.from_numpy(directions(standard.double().numpy(), driver, SIZE)).float()
    projected = torch.nn.functional.normalize(standard @ own, dim=1)
    torch.testing.assert_close((found @ found.T), projected @ projected.T, atol=1e-3, rtol=0)
    same = torch.from_numpy(driver[:, None] == driver[None, :])
    likeness = found @ found.T
    assert likeness[same].mean() > 0.8 > 0.3 > likeness[~same].mean()


def test_clips_that_are_all_too_short_are_refused() -> None:
    with pytest.raises(DataError, match="no stored clip holds a window of 50"):
        discriminant([positions(40)], (50,), EmbeddingLayers(StreamingConfig(embedding_size=SIZE)))
