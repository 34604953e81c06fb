"""Artificial people, each with habits of their own: which channels move, how fast, and how far."""

from __future__ import annotations

import numpy as np
import pytest

from training.expression_dynamics.recordings import Recording


def recordings_of(people: int, each: int, rows: int, channels: int = 5, seed: int = 0) -> list[Recording]:
    """Smoothed noise, mixed and scaled as the person does; the level is another one in every recording."""
    random = np.random.default_rng(seed)
    found = []
    for person in range(people):
        mixing = random.normal(size=(channels, channels)) * np.exp(random.normal(0, 0.7, channels))
        kernel = np.ones(1 + int(random.integers(12)))
        for take in range(each):
            steps = random.normal(size=(rows + len(kernel) - 1, channels))
            smooth = np.stack([np.convolve(column, kernel / len(kernel), "valid") for column in steps.T], axis=1)
            values = smooth @ mixing + random.normal(0, 5, channels)
            shape = random.normal(size=(rows, 3)) + random.normal(size=3)
            found.append(Recording(f"p{person:02d}", f"g{take}", values.astype(np.float32), shape.astype(np.float32)))
    return found


@pytest.fixture(scope="session")
def people_apart() -> list[Recording]:
    """Ten people with three recordings of 300 rows."""
    return recordings_of(people=10, each=3, rows=300)
