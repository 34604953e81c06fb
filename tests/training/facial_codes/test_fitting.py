"""Codes of made-up movements: found, added up exactly, the same for the same seed, kept in a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.facial_codes.made_up_faces import CHANNELS, SMALL, expressions, own_shifts
from training.errors import CheckpointError, DataError
from training.facial_codes.fitting import DEVIATION_FLOOR, FitSettings, fit_codes
from training.facial_codes.measures import code_figures, perplexity
from training.facial_codes.network import CodesNetwork
from training.facial_codes.stored import CODES_FILE, StoredCodes, load_codes, save_codes
from training.facial_codes.templates import Movement, template_figures

SETTINGS = FitSettings(size=SMALL, steps=150, batch=128, learning_rate=3e-3)


@pytest.fixture(scope="module")
def network() -> CodesNetwork:
    return fit_codes(expressions(2000), own_shifts(), SETTINGS)


def test_codes_explain_unseen_frames_and_more_stages_explain_more(network: CodesNetwork) -> None:
    found = code_figures(network, expressions(500, seed=9), np.repeat([0, 1], 250))
    assert found.by_person.shape == (2, SMALL.stages)
    np.testing.assert_allclose(found.by_person.mean(axis=0), found.explained, atol=0.05)
    assert found.explained[-1] > 0.85
    assert (np.diff(found.explained) > 0).all()
    assert (np.diff(found.error) < 0).all()
    assert found.dead == (~found.used).sum()
    assert 1 < found.perplexity <= SMALL.codes


def test_what_comes_out_is_the_sum_of_templates(network: CodesNetwork) -> None:
    rows = expressions(40, seed=3)
    with torch.no_grad():
        coded = network(network.normalised(rows))
        in_units = coded.expression * network.deviation + network.mean
        added = network.mean + network.templates()[network.tokens(rows)].sum(dim=1)
    torch.testing.assert_close(in_units, added, rtol=1e-4, atol=1e-5)


def test_the_same_seed_gives_the_same_codes_and_another_does_not() -> None:
    short = replace(SETTINGS, steps=5)
    first, again = (fit_codes(expressions(500), own_shifts(), short) for _ in range(2))
    other = fit_codes(expressions(500), own_shifts(), replace(short, seed=1))
    assert torch.equal(first.quantizer.codes, again.quantizer.codes)
    assert not torch.equal(first.quantizer.codes, other.quantizer.codes)


def test_sparsity_makes_templates_more_local() -> None:
    rows = expressions(2000)
    found = []
    for weight in (0.0, 1.0):
        network = fit_codes(rows, own_shifts(), replace(SETTINGS, sparsity=weight, orthogonality=0.0))
        used = code_figures(network, rows, np.zeros(len(rows), int)).used
        found.append(template_figures(Movement(own_shifts(), rows), network.templates(), used).locality)
    assert found[1] > found[0] + 0.02


def test_weights_say_how_often_a_frame_is_drawn() -> None:
    rows = torch.cat([torch.zeros(50, CHANNELS), torch.ones(50, CHANNELS)])
    weights = torch.cat([torch.ones(50), torch.full((50,), 3.0)])
    network = fit_codes(rows, own_shifts(), replace(SETTINGS, steps=1), weights)
    torch.testing.assert_close(network.mean, torch.full((CHANNELS,), 0.75))


def test_a_channel_of_noise_is_not_blown_up() -> None:
    rows = expressions(300)
    rows[:, 0] = 1e-4 * torch.randn(300)
    assert float(fit_codes(rows, own_shifts(), replace(SETTINGS, steps=1)).deviation[0]) == pytest.approx(
        DEVIATION_FLOOR
    )


def test_too_few_frames_are_refused() -> None:
    with pytest.raises(DataError, match="3 frames are too few for 16 codes"):
        fit_codes(expressions(3), own_shifts(), SETTINGS)


def test_codes_come_back_from_their_file(network: CodesNetwork, tmp_path: Path) -> None:
    names = tuple(f"channel {place}" for place in range(CHANNELS))
    save_codes(StoredCodes(network, names, True, {"steps": 150}), tmp_path)
    kept = load_codes(tmp_path)
    assert (kept.names, kept.levelled, kept.made) == (names, True, {"steps": 150})
    rows = expressions(60, seed=5)
    assert torch.equal(kept.network.tokens(rows), network.tokens(rows))


@pytest.mark.parametrize("content", [None, b"", b"PK no archive"])
def test_a_damaged_file_is_refused_in_one_line(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / CODES_FILE).write_bytes(content)
    with pytest.raises(CheckpointError, match="holds no facial codes"):
        load_codes(tmp_path)


def test_perplexity_of_even_and_of_single_use() -> None:
    assert perplexity(np.array([5, 5, 5, 5, 0])) == pytest.approx(4)
    assert perplexity(np.array([0, 9, 0])) == pytest.approx(1)
