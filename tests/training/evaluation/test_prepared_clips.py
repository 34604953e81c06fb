"""From a prepared folder to labelled clips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engines.pixels import CropBox
from training.data.luma_clip import LumaClip
from training.data.manifest import ManifestRow, write_manifest
from training.drivers.tracks import Split
from training.errors import DataError
from training.evaluation.prepared_clips import prepared_clips


def row(path: str, driver: str, target: str, generator: str, split: Split) -> ManifestRow:
    return ManifestRow(path, driver, target, "s0", generator, "here", split, "CC0")


def test_clips_of_a_split_come_with_their_labels_and_gaps(tmp_path: Path) -> None:
    frames = np.arange(6 * 128 * 128, dtype=np.uint64).astype(np.uint8).reshape(6, 128, 128)
    clip = LumaClip(frames, np.array([0, 1, 2, 9, 10, 11]) / 30, CropBox(0, 0, 128))
    rows = [
        row("clips/a.mp4.npz", "ann", "ann", "none", "test"),
        row("clips/b.mp4.npz", "ann", "bob", "warp", "test"),
        row("clips/c.mp4.npz", "cid", "cid", "none", "train"),
    ]
    for one in rows:
        clip.save(tmp_path / one.path)
    write_manifest([*rows], tmp_path / "manifest.csv")
    found = list(prepared_clips(tmp_path / "manifest.csv", "test"))
    assert [(one.labels.driver, one.labels.target, one.labels.original) for one in found] == [
        ("ann", "ann", True),
        ("ann", "bob", False),
    ]
    np.testing.assert_array_equal(found[0].frames, frames)
    assert found[0].continues.tolist() == [False, True, True, False, True, True]


def test_videos_that_are_not_cut_are_refused_with_the_command(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    write_manifest([row("a.mp4", "ann", "ann", "none", "test")], tmp_path / "manifest.csv")
    with pytest.raises(DataError, match="guard-train prepare"):
        list(prepared_clips(tmp_path / "manifest.csv", "test"))
