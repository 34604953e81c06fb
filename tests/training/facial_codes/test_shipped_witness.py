"""The witness that ships loads, compares, and explains its entries in words and pictures."""

from __future__ import annotations

import numpy as np
import pytest

from engines.comparison import comparison_scores
from engines.witnesses.folder import WitnessFolder, find_witness, read_witness_folder
from engines.witnesses.onnx_witness import OnnxWitness
from training.facial_codes.witness_folder import NAME
from training.facial_codes.witness_graph import RATE_HZ, WINDOW_FRAMES


@pytest.fixture(scope="module")
def folder() -> WitnessFolder:
    return read_witness_folder(find_witness(NAME))


def test_its_spec_is_that_of_the_graph(folder: WitnessFolder) -> None:
    spec = folder.spec
    assert (spec.reads, spec.rate_hz, spec.window_frames) == ("blendshapes", RATE_HZ, WINDOW_FRAMES)
    assert spec.calibration.cohort.shape[1] == spec.embedding_size == 64


def test_most_tokens_are_explained_and_each_has_a_picture(folder: WitnessFolder) -> None:
    assert folder.explanation is not None
    tokens = folder.explanation.tokens
    assert len(tokens) > 40
    assert {entry.picture for entry in tokens.values()} == set(folder.pictures)


def test_the_same_movement_is_more_alike_than_another(folder: WitnessFolder) -> None:
    """Somebody who blinks and somebody who opens the jaw, each twice."""
    random = np.random.default_rng(0)
    windows = np.full((4, WINDOW_FRAMES, 52), 0.1, np.float32)
    for row, channel in enumerate((9, 25, 9, 25)):
        moments = random.choice(WINDOW_FRAMES, 16, replace=False)
        windows[row, moments, channel] = 0.7
        if channel == 9:
            windows[row, moments, 10] = 0.7
    rows = OnnxWitness(folder).embed(windows)
    assert (rows >= 0).all()
    scores = comparison_scores(rows[:2], rows[2:], folder.spec.calibration.cohort)
    assert scores[0, 0] > scores[0, 1]
    assert scores[1, 1] > scores[1, 0]
