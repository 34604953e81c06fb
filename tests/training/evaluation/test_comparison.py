"""Rows side by side: whose trials belong together, what the seeds of a row amount to, and the whole table."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from training.data.channel import ChannelRange
from training.errors import CheckpointError, DataError
from training.evaluate import Protocol
from training.evaluation.bench_clips import BenchClips, BenchSource, bench_clips
from training.evaluation.comparison import by_driver, cross_sides, lessening, over_seeds, runs_of, trials_of
from training.evaluation.comparison_page import write_comparison
from training.evaluation.comparison_report import compare_runs, raw_clips
from training.evaluation.prepared_clips import LabelledClip
from training.evaluation.protocols import ClipLabels
from training.fit import FitConfig, save, start
from training.metrics import Trials, pooled_area


def bench(drivers: int, faces: int) -> BenchClips:
    """Two windows a side of everybody on every face."""
    driver, face, window = (part.ravel() for part in np.indices((drivers, faces, 4)))
    count = len(driver)
    frames = np.zeros((count, 6, 4, 4), np.uint8)
    return BenchClips(frames, np.zeros((count, 6, 1, 2), np.float16), driver, face, window >= 2)


def one_hot(clips: BenchClips) -> NDArray[np.float32]:
    rows: NDArray[np.float32] = np.eye(8, dtype=np.float32)[clips.driver]
    return rows


def test_embeddings_that_name_the_driver_are_without_error() -> None:
    clips = bench(4, 2)
    for trials in trials_of(by_driver(clips, one_hot(clips))).values():
        assert pooled_area(trials) == 1
        assert (trials.target >= 0).all()
    windows, pooled = trials_of(by_driver(clips, one_hot(clips))).values()
    assert len(windows.scores) == 2 * (4 * 2) ** 2
    assert len(pooled.scores) == 2 * 4**2


def test_sides_come_from_the_two_benches() -> None:
    one, other = bench(3, 2), bench(3, 2)
    sides = cross_sides(one, one_hot(one), other, -one_hot(other))
    assert all((side.enrol == -side.probe).all() for side in sides)
    with pytest.raises(DataError, match="no drivers and faces"):
        cross_sides(one, one_hot(one), replace(other, face=other.face + 2), -one_hot(other))


def _noisy(clips: BenchClips, noise: float, seed: int) -> Trials:
    random = np.random.default_rng(seed)
    rows = one_hot(clips) + noise * random.standard_normal((len(clips.driver), 8)).astype(np.float32)
    return trials_of(by_driver(clips, rows / np.linalg.norm(rows, axis=1, keepdims=True)))["one window"]


def test_a_row_is_the_mean_of_its_seeds_and_is_compared_draw_by_draw() -> None:
    clips = bench(8, 2)
    good, bad = [_noisy(clips, 0.3, seed) for seed in range(3)], [_noisy(clips, 3.0, seed) for seed in range(3)]
    areas = {"good": over_seeds(good, pooled_area), "bad": over_seeds(bad, pooled_area)}
    assert areas["good"][0].value == pytest.approx(np.mean([pooled_area(trials) for trials in good]))
    assert areas["good"][0].low <= areas["good"][0].value <= areas["good"][0].high
    less = lessening(areas, "good", "bad")
    wanted = 1 - (1 - areas["good"][0].value) / (1 - areas["bad"][0].value)
    assert less.share.value == pytest.approx(wanted)
    assert less.share.low > 0.5
    assert less.apart
    same = lessening(areas, "bad", "bad")
    assert (same.share.value, same.share.low, same.share.high, same.apart) == (0, 0, 0, False)


def _untrained(folder: Path, network: str) -> None:
    torch.manual_seed(0)
    folder.mkdir(parents=True)
    save(start(FitConfig(network=network, embedding_size=8), 99, torch.device("cpu")), folder)


def test_the_whole_table_on_untrained_networks(tmp_path: Path) -> None:
    runs, out = tmp_path / "runs", tmp_path / "out"
    for row in ("static", "landmarks"):
        _untrained(runs / row / "0", row)
    small = Protocol(frames=16, enrol=1, probe=1, targets=2, channel=ChannelRange())
    source = BenchSource(None, None, None, seeds=3, puppets=2, protocol=small)
    found = compare_runs(runs, out, source, ("mesh_warp",), "thin_plate", None, "landmarks", 1)
    write_comparison(found, out)
    assert set(found.rows()) == {"static", "landmarks"}
    assert found.drivers == 3
    # An exact landmark reader sees the same motion whatever draws it.
    seen, unseen = (found.cell("landmarks", name, "all", "one window").area for name in ("mesh_warp", "thin_plate"))
    assert seen.value == pytest.approx(unseen.value, abs=1e-6)
    written = json.loads((out / "comparison.json").read_text())
    assert written["matrix"].keys() == {"mesh_warp", "thin_plate"}
    assert "| landmarks | 1 |" in (out / "comparison.md").read_text()
    kept = list((out / "embeddings").glob("*.npy"))
    assert len(kept) == 4
    before = {path: path.stat().st_mtime_ns for path in kept}
    compare_runs(runs, out, source, ("mesh_warp",), "thin_plate", None, "landmarks", 1)
    assert before == {path: path.stat().st_mtime_ns for path in kept}


def test_raw_clips_are_the_unbroken_middle_of_those_that_are_long_enough() -> None:
    def clip(frames: int, gap: int | None = None) -> LabelledClip:
        pixels = np.broadcast_to(np.arange(frames, dtype=np.uint8)[:, None, None], (frames, 4, 4)).copy()
        labels = ClipLabels("ann", "ann", f"ann/{frames}", "none", "made up", True)
        return LabelledClip(pixels, np.arange(frames) != (0 if gap is None else gap), 25.0, labels)

    found = raw_clips([clip(29), clip(40, gap=20), clip(40, gap=3), clip(31)])
    assert found.frames[:, 0, 0, 0].tolist() == [5, 0]
    assert found.frames.shape[1] == 30
    assert [label.session for label in found.labels] == ["ann/40", "ann/31"]
    with pytest.raises(DataError, match="30 frames"):
        raw_clips([clip(29)])


def test_a_row_that_is_not_there_is_refused(tmp_path: Path) -> None:
    _untrained(tmp_path / "static" / "0", "static")
    source = BenchSource(None, None, None, seeds=2)
    with pytest.raises(DataError, match="no row 'ours'"):
        compare_runs(tmp_path, tmp_path / "out", source, (), "mesh_warp", None, "ours", 1)


def test_a_folder_without_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="ROW/SEED"):
        runs_of(tmp_path)


def test_a_damaged_bench_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mesh_warp.npz").write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(DataError, match="delete it and compare again"):
        bench_clips(BenchSource(None, None, None, seeds=2), ("mesh_warp",), tmp_path)
