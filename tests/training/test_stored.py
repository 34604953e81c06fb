"""Stored clips: saved whole or not at all, and cut into windows that belong together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from training.data.batches import Batch
from training.data.channel import ChannelRange
from training.data.stored import StoredClips, WindowsOfBatches, WindowsOfFrames, load_stored, store_batches
from training.errors import DataError
from training.models.registry import network_kind
from training.trainee import Trainee

LENGTH, MARGIN = 20, 5


def counting(first: int, clips: int = 3) -> StoredClips:
    """Clips whose every value tells its place in time and whose driver and face tell the clip."""
    frames = np.broadcast_to(np.arange(LENGTH, dtype=np.uint8)[None, :, None, None], (clips, LENGTH, 8, 8)).copy()
    speed = np.broadcast_to(np.arange(LENGTH - MARGIN, dtype=np.float16)[None, :, None], (clips, LENGTH - MARGIN, 2))
    landmarks = np.broadcast_to(np.arange(LENGTH, dtype=np.float16)[None, :, None, None], (clips, LENGTH, 3, 2))
    return StoredClips(frames, speed.copy(), first + np.arange(clips), np.full(clips, first), landmarks.copy())


@pytest.mark.parametrize("windows", [WindowsOfFrames((counting(0), counting(10)), 8, 6, None, 4),
                                     WindowsOfBatches((counting(0), counting(10)), (8,), 1000, None, 4)])  # fmt: skip
def test_windows_keep_frames_speeds_and_labels_together(windows: WindowsOfFrames | WindowsOfBatches) -> None:
    batch = windows(3)
    first = batch.inputs[:, 0, 0, 0]
    torch.testing.assert_close(batch.inputs[:, -1, 0, 0], first + 7)
    torch.testing.assert_close(batch.speed[:, 0, 0], first)
    torch.testing.assert_close(batch.landmarks[..., 0, 0], batch.inputs[..., 0, 0])
    assert batch.speed.shape[1] == 8 - MARGIN
    assert ((batch.driver // 10 * 10) == batch.face).all()
    again = windows(3)
    torch.testing.assert_close(batch.inputs, again.inputs, rtol=0, atol=0)
    assert not torch.equal(windows(4).inputs, batch.inputs)


def test_mixtures_hold_whole_batches_and_two_windows_of_long_clips() -> None:
    batch = WindowsOfBatches((counting(0), counting(10)), (8,), 1000, None, 4)(3)
    early, late = batch.inputs[:, 0, 0, 0].view(2, 2, 3).unbind(1)
    assert bool((early + 8 <= late).all())
    assert sorted(batch.driver.tolist()) == sorted(2 * [0, 1, 2, 10, 11, 12])
    assert len(WindowsOfBatches((counting(0), counting(10)), (8,), 8 * 6, None, 4)(3).driver) == 6
    assert len(WindowsOfBatches((counting(0), counting(10)), (8,), 8 * 5, None, 4)(3).driver) == 3
    assert WindowsOfBatches((counting(0),), (1,), 1000, None, 4)(0).speed.shape == (6, 0, 2)


def test_small_mixtures_cross_some_drivers_with_two_faces() -> None:
    frames = np.zeros((20, LENGTH, 8, 8), np.uint8)
    driver, face = np.repeat(np.arange(5), 4), np.tile(np.arange(4), 5)
    clips = StoredClips(frames, np.zeros((20, LENGTH - MARGIN, 2), np.float16), driver, face,
                        np.zeros((20, LENGTH, 0, 2), np.float16))  # fmt: skip
    batch = WindowsOfBatches((clips,), (8,), 8 * 6, None, 0)(0)
    assert len(batch.driver) == 6
    assert len(set(batch.driver.tolist())) == 3
    pairs = set(zip(batch.driver.tolist(), batch.face.tolist(), strict=True))
    assert len(pairs) == 6
    assert len({face for _, face in pairs}) == 2


def test_a_call_is_drawn_anew_for_each_step() -> None:
    windows = WindowsOfFrames((counting(0, clips=1),), LENGTH, 1, ChannelRange(), 4)
    assert not torch.equal(windows(0).inputs, windows(1).inputs)
    torch.testing.assert_close(windows(1).inputs, windows(1).inputs, rtol=0, atol=0)


def test_clips_stored_without_landmarks_serve_all_networks_but_the_one_that_reads_them(tmp_path: Path) -> None:
    clips = counting(0)
    np.savez(tmp_path / "0000.npz", inputs=clips.inputs, speed=clips.speed, driver=clips.driver, face=clips.face)
    counting(10).save(tmp_path / "0001.npz")
    batch = WindowsOfBatches(load_stored(tmp_path), (8,), 1000, None, 0)(0)
    assert batch.landmarks.shape == (12, 8, 0, 2)
    with pytest.raises(DataError, match="stored without landmarks"):
        Trainee(network_kind("landmarks"), 8, 0).observed(batch)
    static = Trainee(network_kind("static"), 8, 0)
    torch.testing.assert_close(static.observed(batch), batch.inputs)


def test_windows_longer_than_all_clips_are_refused() -> None:
    with pytest.raises(DataError, match="no stored clip"):
        WindowsOfFrames((counting(0),), LENGTH + 1, 1, None, 0)(0)


def test_rendering_goes_on_where_it_stopped(tmp_path: Path) -> None:
    asked: list[int] = []

    def source(step: int) -> Batch:
        asked.append(step)
        clips = counting(step)
        return Batch(
            torch.from_numpy(clips.inputs).float() + 0.4,
            torch.from_numpy(clips.driver),
            torch.from_numpy(clips.face),
            torch.from_numpy(clips.speed).float(),
            torch.from_numpy(clips.landmarks).float(),
        )

    store_batches(source, 2, tmp_path)
    store_batches(source, 3, tmp_path)
    assert asked == [0, 1, 2]
    stored = load_stored(tmp_path)
    np.testing.assert_array_equal(stored[2].inputs, counting(2).inputs)
    assert stored[2].driver.tolist() == [2, 3, 4]


def test_unfit_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="guard-train render"):
        load_stored(tmp_path)
    (tmp_path / "0000.npz").write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(DataError, match=r"0000\.npz"):
        load_stored(tmp_path)
