"""The live witness: its graph counts tokens as the codes say, and the people behind its parts are disjoint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

from tests.training.facial_codes.made_up_faces import SMALL, expressions
from training.data.array_file import save_arrays
from training.errors import DataError
from training.evaluation.witness_calls import Arrays, call_file, track_file
from training.facial_codes.clips import ExpressionClip
from training.facial_codes.histograms import token_histogram
from training.facial_codes.network import CodesNetwork
from training.facial_codes.tracked_calls import call_embeddings, read_calls
from training.facial_codes.witness import embedded, graph_file, parts_of, two_sides
from training.facial_codes.witness_graph import WINDOW_FRAMES, WitnessGraph

CHANNELS = 51


@pytest.fixture(scope="module")
def graph() -> WitnessGraph:
    torch.manual_seed(0)
    network = CodesNetwork(SMALL, torch.zeros(CHANNELS), torch.full((CHANNELS,), 0.2)).eval()
    with torch.no_grad():
        network.quantizer.codes.mul_(3)
    return WitnessGraph(network, torch.linspace(0.5, 2, SMALL.codes)).eval()


def _windows(count: int, seed: int = 0) -> torch.Tensor:
    moving = expressions(count * WINDOW_FRAMES, seed).repeat(1, 5)[:, :CHANNELS]
    return torch.cat([torch.rand(len(moving), 1), moving], dim=1).view(count, WINDOW_FRAMES, CHANNELS + 1)


@torch.no_grad()
def test_an_embedding_is_the_weighed_root_of_the_histogram(graph: WitnessGraph) -> None:
    windows = _windows(3)
    for window, row in zip(windows, graph(windows), strict=True):
        moving = window[:, 1:].numpy()
        tokens = graph.network.tokens(torch.from_numpy(moving - np.median(moving, axis=0))).numpy()
        wanted = np.sqrt(token_histogram(tokens, SMALL.codes)) * graph.weights.numpy()
        np.testing.assert_allclose(row.numpy(), wanted / np.linalg.norm(wanted), atol=1e-5)


@torch.no_grad()
def test_a_constant_level_changes_nothing_and_neutral_is_not_looked_at(graph: WitnessGraph) -> None:
    windows = _windows(2)
    moved = windows + torch.rand(1, 1, CHANNELS + 1)
    moved[:, :, 0] = 0
    torch.testing.assert_close(graph(windows), graph(moved), atol=2e-2, rtol=0)


@torch.no_grad()
def test_the_file_computes_what_the_graph_does_for_any_number_of_windows(graph: WitnessGraph) -> None:
    session = onnxruntime.InferenceSession(graph_file(graph))
    assert [given.name for given in session.get_inputs()] == ["windows"]
    for count in (1, 5):
        windows = _windows(count, seed=count)
        (rows,) = session.run(["embeddings"], {"windows": windows.numpy()})
        np.testing.assert_allclose(rows, graph(windows).numpy(), atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
        assert (rows >= 0).all()


@torch.no_grad()
def test_a_still_face_has_an_embedding_too(graph: WitnessGraph) -> None:
    rows = graph(torch.full((1, WINDOW_FRAMES, CHANNELS + 1), 0.3))
    assert float(rows.norm()) == pytest.approx(1, abs=1e-5)


def _clip(person: str, session: str, frames: int, split: str = "train", source: str = "made") -> ExpressionClip:
    values = np.random.default_rng(frames).uniform(0, 1, (frames, CHANNELS)).astype(np.float32)
    return ExpressionClip(person, session, source, split, values, np.arange(frames) / 25)  # type: ignore[arg-type]


def test_people_of_training_calibration_and_test_are_disjoint() -> None:
    clips = [_clip(f"{source}{n}", "0", 30, source=source) for source in ("x", "y") for n in range(7)]
    clips += [_clip("v", "0", 30, "val"), _clip("t", "0", 30, "test")]
    parts = parts_of(clips)
    people = [{clip.person for clip in part} for part in (parts.train, parts.calibration, parts.test)]
    assert people[0] | people[1] | people[2] == {clip.person for clip in clips}
    assert sum(map(len, people)) == len(set().union(*people))
    assert people[1] == {"x1", "x3", "x5", "y1", "y3", "y5", "v"}
    assert people[2] == {"t"}


def test_short_recordings_of_a_session_are_joined_and_long_ones_cut_in_half() -> None:
    anchor = [_clip("a", session, 32) for session in ("s0", "s1") for _ in range(5)]
    sides = two_sides(anchor)
    assert sides is not None
    assert [side.shape for side in sides] == [(1, WINDOW_FRAMES, CHANNELS + 1)] * 2
    alone = two_sides([_clip("b", "0", 4 * WINDOW_FRAMES + 10)])
    assert alone is not None
    assert [len(side) for side in alone] == [1, 1]
    assert two_sides([_clip("c", "0", 120)]) is None
    assert (sides[0][:, :, 0] == 0).all()


def test_a_stretch_of_half_a_window_counts_twice() -> None:
    sides = two_sides([_clip("a", "0", 2 * WINDOW_FRAMES)])
    assert sides is not None
    for side in sides:
        assert side.shape == (1, WINDOW_FRAMES, CHANNELS + 1)
        assert (side[0, : WINDOW_FRAMES // 2] == side[0, WINDOW_FRAMES // 2 :]).all()


def test_too_few_people_are_refused(graph: WitnessGraph) -> None:
    with pytest.raises(DataError, match="only 0 people"):
        embedded(graph, [_clip("c", "0", 100)])


def _call(folder: Path, driver: int, **changed: NDArray[np.float64] | NDArray[np.bool_]) -> None:
    random = np.random.default_rng(driver)
    track: Arrays = {"driver": np.array(driver), "face": np.array(driver // 2)}
    for side, count in (("enrol", 140), ("probe", 100)):
        track |= {
            f"{side}_seconds": np.arange(count) / 12.5,
            f"{side}_blendshapes": random.uniform(0, 1, (count, 52)).astype(np.float32),
            f"{side}_signals": np.zeros((count, 17), np.float32),
            f"{side}_found": np.ones(count, bool),
        }
    path = call_file(folder, driver)
    save_arrays(path, {})
    save_arrays(track_file(path), {**track, **changed})


def test_calls_are_cut_into_windows_and_never_taken_for_people(graph: WitnessGraph, tmp_path: Path) -> None:
    for driver in range(3):
        _call(tmp_path, driver)
    calls = read_calls(tmp_path)
    assert [(call.driver, call.face, len(call.enrol), len(call.probe)) for call in calls] == [
        (0, 0, 3, 2),
        (1, 0, 3, 2),
        (2, 1, 3, 2),
    ]
    rows = call_embeddings(graph, calls)
    assert [(row.driver, row.target) for row in rows] == [(1000, 0), (1001, 0), (1002, 1)]
    assert rows[0].probe.shape == (2, SMALL.codes)


def test_calls_in_which_the_face_is_lost_are_left_out(tmp_path: Path) -> None:
    for driver in range(3):
        _call(tmp_path, driver)
    _call(tmp_path, 2, probe_found=np.zeros(100, bool))
    assert [call.driver for call in read_calls(tmp_path)] == [0, 1]
    _call(tmp_path, 1, enrol_found=np.zeros(140, bool))
    with pytest.raises(DataError, match="holds 1 calls whose sides fill a window"):
        read_calls(tmp_path)


def test_codes_of_another_size_give_embeddings_of_that_size() -> None:
    network = CodesNetwork(replace(SMALL, codes=7), torch.zeros(CHANNELS), torch.ones(CHANNELS)).eval()
    assert WitnessGraph(network, torch.ones(7))(_windows(1)).shape == (1, 7)
