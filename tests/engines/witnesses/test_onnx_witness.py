"""A witness embeds windows of its own shape, row by row, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from engines.errors import EngineInputError
from engines.witnesses.folder import available_witnesses
from engines.witnesses.onnx_witness import OnnxWitness, load_witness
from tests.engines.witnesses.made_witness import RATE_HZ, WINDOW_FRAMES, write_made_witness


@pytest.fixture(scope="module")
def witness(tmp_path_factory: pytest.TempPathFactory) -> OnnxWitness:
    folder = tmp_path_factory.mktemp("witnesses")
    return load_witness(str(write_made_witness(folder, "expression_dynamics", "signals")))


def windows(count: int) -> NDArray[np.float32]:
    return np.random.default_rng(1).normal(size=(count, WINDOW_FRAMES, 17)).astype(np.float32)


def test_rows_are_unit_length_and_independent(witness: OnnxWitness) -> None:
    probes = windows(5)
    together = witness.embed(probes)
    assert together.shape == (5, 17)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(np.concatenate([witness.embed(probe[None]) for probe in probes]), together, atol=1e-6)
    assert witness.spec.window_seconds == WINDOW_FRAMES / RATE_HZ


def test_it_is_the_formula(witness: OnnxWitness) -> None:
    probe = windows(1)
    spread = np.abs(probe[0] - probe[0].mean(axis=0)).mean(axis=0) + 1e-3
    np.testing.assert_allclose(witness.embed(probe)[0], spread / np.linalg.norm(spread), rtol=1e-4)


def test_a_still_face_has_an_embedding_too(witness: OnnxWitness) -> None:
    still = np.ones((1, WINDOW_FRAMES, 17), np.float32)
    assert np.linalg.norm(witness.embed(still)) == pytest.approx(1, abs=1e-4)


def test_no_window_gives_no_row(witness: OnnxWitness) -> None:
    assert witness.embed(windows(0)).shape == (0, 17)


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((1, WINDOW_FRAMES, 52), np.float32),
        np.zeros((1, WINDOW_FRAMES + 1, 17), np.float32),
        np.zeros((WINDOW_FRAMES, 17), np.float32),
        np.zeros((1, WINDOW_FRAMES, 17), np.float64),
        np.full((1, WINDOW_FRAMES, 17), np.nan, np.float32),
    ],
)
def test_other_windows_are_refused(witness: OnnxWitness, bad: NDArray[np.float32]) -> None:
    with pytest.raises(EngineInputError):
        witness.embed(bad)


@pytest.mark.parametrize("name", available_witnesses())
def test_every_shipped_witness_embeds(name: str) -> None:
    shipped = load_witness(name)
    shape = (2, shipped.spec.window_frames, shipped.spec.channels)
    rows = shipped.embed(np.random.default_rng(2).uniform(0, 1, shape).astype(np.float32))
    assert rows.shape == (2, shipped.spec.embedding_size)
