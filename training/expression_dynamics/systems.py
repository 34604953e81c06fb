"""What tells people apart by windows of series: a discriminant of numbers in closed form, or of what an encoder
makes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from training.expression_dynamics.fitting import Encoder, FitConfig, fit_encoder
from training.expression_dynamics.recordings import Floats, Recording
from training.expression_dynamics.windows import Removal, cut_all, without_level

Features = Callable[[Floats], NDArray[np.floating]]
"""Windows (n, T, C) to rows of numbers (n, F)."""
People = Sequence[Sequence[Recording]]

_MOST_DIRECTIONS = 30


class Trained(Protocol):
    """Tells people apart by windows float32 (n, T, C)."""

    def logits(self, values: Floats) -> NDArray[np.float64]:
        """Log probability of each person of training, (n, people), in the order in which they were given."""

    def embed(self, values: Floats) -> NDArray[np.float64]:
        """L2-normalised rows (n, D), also of people who were not there in training."""


Train = Callable[[People, int], Trained]
"""From the recordings of people and a seed."""


@dataclass(frozen=True, slots=True)
class Discriminant:
    """Standardised features and Fisher's discriminant with automatic shrinkage (Ledoit and Wolf, 2004)."""

    features: Features
    fitted: Pipeline

    def logits(self, values: Floats) -> NDArray[np.float64]:
        return np.asarray(self.fitted.predict_log_proba(self.features(values)), np.float64)

    def embed(self, values: Floats) -> NDArray[np.float64]:
        return unit_rows(self.fitted.transform(self.features(values)))


def discriminant_of(features: Features, people: People, frames: int) -> Discriminant:
    """Fitted on windows of all recordings, each half over the one before."""
    windows = cut_all(people, frames, frames // 2)
    rows = features(windows.values)
    directions = min(_MOST_DIRECTIONS, len(np.unique(windows.person)) - 1, rows.shape[1])
    fisher = LinearDiscriminantAnalysis(solver="eigen", shrinkage="auto", n_components=directions)
    fitted = make_pipeline(StandardScaler(), fisher)
    fitted.fit(rows, windows.person)
    return Discriminant(features, fitted)


def closed_form(features: Features, removal: Removal, frames: int) -> Train:
    """A discriminant of features of windows, without what `removal` takes off; no seed matters."""

    def train(people: People, seed: int) -> Trained:  # noqa: ARG001
        return discriminant_of(lambda values: features(without_level(values, removal)), people, frames)

    return train


def encoded(encoder: Encoder, config: Callable[[int], FitConfig]) -> Train:
    """A trained encoder, frozen, and a linear discriminant of its embeddings."""

    def train(people: People, seed: int) -> Trained:
        fitted = fit_encoder(people, encoder, config(seed))
        return discriminant_of(fitted.embed, people, fitted.config.frames)

    return train


def unit_rows(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    """Rows (n, D) of length 1."""
    wide = np.asarray(rows, np.float64)
    return np.asarray(wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12))
