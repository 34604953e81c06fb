"""Calls that opinions are weighed on: rendered and tracked once, kept, and refused where they are others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engines.expressions.face_landmarker import FindFace, FoundFace
from engines.registry import load_engine
from training.data.array_file import save_arrays
from training.errors import DataError
from training.evaluate import CallProtocol
from training.evaluation.witness_calls import call_files, heard_file, load_calls, load_tracks, track_file
from training.evaluation.witness_hearing import hear_calls
from training.evaluation.witness_rendering import render_calls
from training.evaluation.witness_tracking import track_calls, tracked_frames

PROTOCOL = CallProtocol("val", 1, 2, first=70, enrol_seconds=2.4, probe_seconds=2.4, processes=1)


def nothing_told(done: int) -> None:
    assert done in (1, 2)


@contextmanager
def finder() -> Iterator[FindFace]:
    """Sees a face in every picture but the second; brightness is where the mouth is."""

    def find(picture: NDArray[np.uint8], milliseconds: int) -> FoundFace | None:
        assert picture.shape == (256, 256, 3)
        if milliseconds == 100:
            return None
        points = np.random.default_rng(milliseconds).uniform(0, 256, (478, 2))
        return FoundFace(points, np.full(52, picture.mean() / 255, np.float32), np.eye(4, dtype=np.float32))

    yield find


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("calls") / "calls"
    render_calls(PROTOCOL, folder, nothing_told)
    hear_calls(load_engine("default", "onnx"), folder, nothing_told)
    track_calls(folder, finder, nothing_told)
    return folder


def test_frames_for_the_tracker_lie_behind_an_even_grid() -> None:
    assert tracked_frames(12, 30, 12.5).tolist() == [0, 3, 5, 8, 10]
    assert tracked_frames(5, 25, 12.5).tolist() == [0, 2, 4]
    assert tracked_frames(4, 10, 10).tolist() == [0, 1, 2, 3]


def test_calls_are_loaded_as_they_were_heard_and_seen(rendered: Path) -> None:
    assert track_calls(rendered, finder, nothing_told) == (120, 116)
    spec = load_engine("default", "onnx").spec
    one, other = load_calls(rendered, spec.model_sha256)
    assert one.face == other.face and one.driver != other.driver
    for call in (one, other):
        for side in (call.enrol, call.probe):
            assert side.embeddings.shape == (72, spec.embedding_size)
            assert len(side.track) == 30
            assert side.track.found.sum() == 29
            assert 0.2 < float(side.track.blendshapes[0, 0]) < 0.9
    assert not np.array_equal(one.probe.embeddings, other.probe.embeddings)
    assert [call.driver for call in load_tracks(rendered)] == [one.driver, other.driver]


def test_what_is_there_is_not_made_again(rendered: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in rendered.iterdir()}
    render_calls(PROTOCOL, rendered, nothing_told)
    hear_calls(load_engine("default", "onnx"), rendered, nothing_told)
    track_calls(rendered, finder, nothing_told)
    assert {path: path.stat().st_mtime_ns for path in rendered.iterdir()} == before


def test_a_folder_of_other_calls_is_refused(rendered: Path) -> None:
    with pytest.raises(DataError, match=r"made otherwise \(first 71, not 70|first 70, not 71"):
        render_calls(replace(PROTOCOL, first=71), rendered, nothing_told)


def test_another_engine_hears_calls_again_and_nothing_else_is_made_again(rendered: Path) -> None:
    kept = {path: path.stat().st_mtime_ns for path in rendered.iterdir()}
    engine = load_engine("default", "onnx")
    first = heard_file(call_files(rendered)[0])
    with np.load(first) as arrays:
        save_arrays(first, {**arrays, "engine": np.array("0" * 64)})
    with pytest.raises(DataError, match="heard by another engine; run `guard-train fusion hear"):
        load_calls(rendered, engine.spec.model_sha256)
    hear_calls(engine, rendered, nothing_told)
    load_calls(rendered, engine.spec.model_sha256)
    assert {path for path in rendered.iterdir() if path.stat().st_mtime_ns != kept[path]} == {first}
    first.unlink()
    with pytest.raises(DataError, match="heard by no engine"):
        load_calls(rendered, engine.spec.model_sha256)
    hear_calls(engine, rendered, nothing_told)


def test_a_track_of_another_rate_is_made_again(rendered: Path) -> None:
    first = track_file(call_files(rendered)[0])
    with np.load(first) as arrays:
        kept = dict(arrays)
        save_arrays(first, {**kept, "rate_hz": np.array(6.0), "enrol_found": np.zeros(3, np.bool_)})
    track_calls(rendered, finder, nothing_told)
    with np.load(first) as arrays:
        assert {name: arrays[name].tolist() for name in arrays} == {name: kept[name].tolist() for name in kept}


def test_a_call_without_its_track_says_what_to_do(rendered: Path) -> None:
    track = rendered / "track_0001.npz"
    kept = track.read_bytes()
    track.unlink()
    with pytest.raises(DataError, match="has not been tracked; run `guard-train fusion track"):
        load_tracks(rendered)
    track.write_bytes(kept[:100])
    with pytest.raises(DataError, match="damaged"):
        load_tracks(rendered)
    track.write_bytes(kept)


def test_an_empty_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="guard-train fusion calls"):
        call_files(tmp_path)
