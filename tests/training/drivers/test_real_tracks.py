"""Real tracks keep motion, lose the face, and stay in their people's split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training.drivers.landmarks import LANDMARKS
from training.drivers.tracks import load_tracks
from training.errors import DataError


def _tree(root: Path, fps: float = 25.0, lost: slice = slice(0, 0)) -> Path:
    """One clip of one person in the layout of the real folder."""
    rng = np.random.default_rng(1)
    frames = 75
    (root / "tracks").mkdir()
    (root / "faces").mkdir()
    mean = rng.normal(size=(478, 2)).astype(np.float32)
    mean[33], mean[263] = (-0.5, 0), (0.5, 0)
    np.savez(root / "tracks" / "basis.npz", mean=mean, components=np.eye(2, 956).reshape(2, 478, 2).astype(np.float32))
    ok = np.ones(frames, bool)
    ok[lost] = False
    key = "grid/grid_00/c00"
    shape = np.zeros((frames, 2), np.float16)
    frame = np.tile(np.array([100, 90, 50, 0.05], np.float32), (frames, 1))
    arrays: dict[str, Any] = {f"{key}|shape": shape, f"{key}|frame": frame, f"{key}|ok": ok}
    np.savez(root / "tracks" / "tracks.npz", **arrays)
    (root / "tracks" / "index.csv").write_text(f"key,frames,fps\n{key},{frames},{fps}\n")
    (root / "faces" / "manifest.csv").write_text("driver,split\ngrid_00,val\n")
    return root


def test_a_still_face_has_no_motion_whatever_its_shape(tmp_path: Path) -> None:
    (track,) = load_tracks(_tree(tmp_path))
    assert track.motion.landmarks.shape == (89, LANDMARKS, 2)  # 2.96 s at 30 fps
    assert track.split == "val"
    assert np.abs(track.motion.landmarks).max() < 1e-6
    np.testing.assert_allclose(track.motion.head, np.tile([0, 0, 1, 0], (89, 1)), atol=1e-6)


def test_a_long_loss_of_tracking_is_a_break(tmp_path: Path) -> None:
    tracks = load_tracks(_tree(tmp_path, lost=slice(30, 36)))
    assert [len(track.motion) for track in tracks] == [35, 46]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read the motion tracks"):
        load_tracks(tmp_path)


def test_a_person_without_split_is_refused(tmp_path: Path) -> None:
    root = _tree(tmp_path)
    (root / "faces" / "manifest.csv").write_text("driver,split\nsomebody,val\n")
    with pytest.raises(DataError, match="belongs to nobody"):
        load_tracks(root)


@pytest.mark.shared_data
def test_real_drivers_are_split_by_person_and_neutral(shared_data: Path) -> None:
    tracks = load_tracks(shared_data)
    assert len(tracks) > 1400
    splits: dict[str, set[str]] = {}
    for track in tracks:
        splits.setdefault(track.driver, set()).add(track.split)
        assert np.isfinite(track.motion.landmarks).all()
    assert all(len(names) == 1 for names in splits.values())
    neutral = np.stack([np.median(track.motion.landmarks, axis=0) for track in tracks])
    assert np.abs(neutral).mean() < 0.003
    assert {track.motion.fps for track in tracks} == {30.0}
