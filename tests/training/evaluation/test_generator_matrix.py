"""Enrolled on one generator, probed on another: which cells belong together, what is marked, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engines.protocol import Engine
from tests.training.evaluation.made_up_calls import made_up_engine
from training.errors import CheckpointError, DataError
from training.evaluation.bench_clips import BENCH_PROTOCOL, BenchClips, BenchSource
from training.evaluation.generator_matrix import GENERATORS, GeneratorMatrix, matrix_cells, measure_matrix
from training.evaluation.kept_arrays import kept_rows
from training.evaluation.matrix_page import matrix_text, write_matrices

DRIVERS = 6


def bench(shown: int = 0) -> BenchClips:
    """Two windows a side of everybody on two faces; the first pixel says who drives, `shown` numbers on."""
    driver, face, window = (part.ravel() for part in np.indices((DRIVERS, 2, 4)))
    frames = np.zeros((len(driver), 8, 128, 128), np.uint8)
    frames[:, :, 0, 0] = driver[:, None] + shown
    return BenchClips(frames, np.zeros((len(driver), 8, 1, 2), np.float16), driver, face, window >= 2)


def one_hot(clips: BenchClips, of: NDArray[np.int64]) -> NDArray[np.float32]:
    rows: NDArray[np.float32] = np.eye(2 * DRIVERS, dtype=np.float32)[of]
    return rows


def matrix(seen: tuple[str, ...]) -> GeneratorMatrix:
    """ "a" and "b" name the driver, "c" names somebody else: the next one."""
    benches = dict.fromkeys("abc", bench())
    told = bench().driver
    rows = {name: one_hot(bench(), told if name != "c" else (told + 1) % DRIVERS) for name in "abc"}
    cells = matrix_cells(benches, [rows, rows])
    return GeneratorMatrix("made up", "nothing", tuple("abc"), seen, cells, DRIVERS, 2, BENCH_PROTOCOL)


def test_a_cell_is_enrolled_on_its_row_and_probed_on_its_column() -> None:
    found = matrix(("a",))
    # Somebody else's name on both sides tells drivers apart as well; on one side it ranks one stranger in five first.
    wanted = {("a", "b"): 1.0, ("b", "a"): 1.0, ("c", "c"): 1.0, ("a", "c"): 0.4, ("c", "b"): 0.4}
    for (enrolled, probed), area in wanted.items():
        for pooling in ("one window", "four pooled"):
            cell = found.cell(enrolled, probed, pooling)
            assert cell.area.value == pytest.approx(area)
            assert cell.area.low <= cell.area.value <= cell.area.high


def test_crossings_are_means_over_their_cells() -> None:
    by_kind = {one.kind: one for one in matrix(("a",)).crossings() if one.pooling == "one window"}
    assert {kind: (one.cells, one.area.value) for kind, one in by_kind.items()} == {
        "one, seen": (1, 1.0),
        "one, unseen": (2, 1.0),
        "two, one of them unseen": (4, pytest.approx(0.7)),
        "two, both unseen": (2, pytest.approx(0.4)),
    }
    both = {one.kind for one in matrix(("a", "b")).crossings()}
    assert both == {"one, seen", "one, unseen", "two, both seen", "two, one of them unseen"}


def test_the_page_marks_what_training_did_not_see(tmp_path: Path) -> None:
    found = matrix(("b",))
    write_matrices([found, found], tmp_path)
    text = (tmp_path / "matrix.md").read_text()
    assert text == matrix_text([found, found])
    assert "|  | a (unseen) | b | c (unseen) |" in text
    document = json.loads((tmp_path / "matrix.json").read_text())[0]
    assert [generator["seen"] for generator in document["generators"]] == [False, True, False]
    assert len(document["cells"]) == 2 * 9
    assert (tmp_path / "matrix.png").read_bytes().startswith(b"\x89PNG")


def test_an_engine_is_measured_frame_by_frame_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str, threads: int) -> Engine:
        return made_up_engine(0.2)

    def clips(source: BenchSource, generators: tuple[str, ...], folder: Path) -> dict[str, BenchClips]:
        """Everybody drives with another face's number on one generator, so nobody is known again there."""
        return {name: bench(50 if name == "face_mesh" else 0) for name in generators}

    monkeypatch.setattr("training.evaluation.generator_matrix.load_engine", load)
    monkeypatch.setattr("training.evaluation.generator_matrix.bench_clips", clips)
    source = BenchSource(None, None, None, seeds=3)
    (found,) = measure_matrix(Path("made-up"), None, tmp_path, source, ("mesh_warp",), 1)
    assert (found.name, found.generators, found.drivers) == ("made-up 1", GENERATORS, DRIVERS)
    assert found.cell("mesh_warp", "thin_plate", "one window").area.value == 1
    assert found.cell("face_mesh", "face_mesh", "one window").area.value == 1
    assert found.cell("mesh_warp", "face_mesh", "one window").area.value < 0.9
    assert len(list((tmp_path / "embeddings").glob("made-up_*.npy"))) == len(GENERATORS)


def test_rows_are_kept_by_what_made_them_and_of_what(tmp_path: Path) -> None:
    frames = np.zeros((1, 2, 4, 4), np.uint8)
    made = []

    def rows(maker: bytes, of: NDArray[np.uint8]) -> float:
        def make() -> NDArray[np.float32]:
            made.append(maker)
            return np.full((1, 1), len(made), np.float32)

        return float(kept_rows("row", maker, of, tmp_path, make)[0, 0])

    assert [rows(b"a", frames), rows(b"a", frames), rows(b"b", frames), rows(b"a", frames + 1)] == [1, 1, 2, 3]


def test_benches_of_different_people_and_unknown_generators_are_refused(tmp_path: Path) -> None:
    other = replace(bench(), driver=bench().driver + 1)
    with pytest.raises(DataError, match="differ in driver"):
        matrix_cells({"a": bench(), "b": other}, [])
    source = BenchSource(None, None, None, seeds=2)
    with pytest.raises(DataError, match="no generator is called 'mesh'"):
        measure_matrix(Path("e"), None, tmp_path, source, ("mesh",), 1)
    with pytest.raises(DataError, match="nothing to measure"):
        measure_matrix(None, None, tmp_path, source, ("mesh_warp",), 1)
    with pytest.raises(CheckpointError, match="SEED/"):
        measure_matrix(None, tmp_path, tmp_path, source, ("mesh_warp",), 1)
