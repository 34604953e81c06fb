"""Cut clips hold what the live path hands an engine; videos that are not whole are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from engines.pacer import Pace, Pacer
from engines.pixels import CropBox, FaceBox, LumaPlane, full_range
from guard.calls.file import FileSource
from guard.media.front_end import FaceFrame, FaceFrontEnd
from tests.training.video_files import noisy_frames, write_video
from training.data.framing import DetectedFaces, FaceTrack, Framing, TrackedFaces, WholePicture
from training.data.luma_clip import LumaClip, cut_clip, thinning
from training.data.manifest import ManifestRow
from training.errors import DataError

ROW = ManifestRow("a.mkv", "ann", "ann", "s1", "none", "home", "train", "mine")


class OneFace:
    """Finds the face that belongs to eye corners `distance` apart around (x, y)."""

    def __init__(self, x: float, y: float, distance: float) -> None:
        side = 2.12 * distance
        self._face = FaceBox(x - side / 2, y + 0.23 * distance - side / 2, side, side, 1.0)

    def detect(self, luma: LumaPlane, near: CropBox | None = None) -> FaceBox | None:
        return self._face


EYES = 70.0, 50.0, 40.0
TRACK = FaceTrack(np.tile(np.array(EYES, np.float32), (20, 1)), np.ones(20, bool))


@pytest.mark.parametrize("framing", [TrackedFaces({"a": TRACK}), DetectedFaces(OneFace(*EYES))])
def test_a_clip_is_what_the_live_path_sees(tmp_path: Path, framing: Framing) -> None:
    times = [40 * number for number in range(20)]
    times[12:] = [time + 80 for time in times[12:]]  # two frames are missing
    video = write_video(tmp_path / "a.mkv", noisy_frames(20, 160, 120), times)
    front_end = FaceFrontEnd(OneFace(*EYES))
    live = [frame for frame in map(front_end.process, FileSource(video)) if isinstance(frame, FaceFrame)]
    clip = cut_clip(video, ROW, framing)
    np.testing.assert_array_equal(clip.frames, np.stack([frame.pixels for frame in live]))
    assert clip.continues.tolist() == [frame.continues for frame in live]
    assert np.flatnonzero(~clip.continues).tolist() == [0, 12]
    np.testing.assert_allclose(clip.seconds, [frame.pts_seconds for frame in live], atol=1e-9)


def test_the_whole_picture_at_its_own_size_is_the_decoded_luma(tmp_path: Path) -> None:
    frames = noisy_frames(5, 128, 128)
    clip = cut_clip(write_video(tmp_path / "a.mkv", frames), ROW, WholePicture())
    np.testing.assert_array_equal(clip.frames, full_range(frames))
    assert clip.box == CropBox(0, 0, 128)
    assert clip.fps == pytest.approx(25)


@pytest.mark.parametrize("fps", [12, 24, 30, 45, 50, 60, 80, 90, 120])
def test_fast_videos_are_thinned_as_calls_are(fps: int) -> None:
    seconds = np.arange(400) / fps
    pacer = Pacer()
    taken = [number for number, time in enumerate(seconds) if pacer.step(float(time)) is not Pace.SKIP]
    assert set(np.diff(taken[20:])) == {thinning(seconds)}


def test_every_other_frame_of_a_fast_video_is_kept(tmp_path: Path) -> None:
    frames = noisy_frames(9, 128, 128)
    video = write_video(tmp_path / "a.mkv", frames, [round(1000 / 60 * number) for number in range(9)])
    clip = cut_clip(video, ROW, WholePicture())
    np.testing.assert_array_equal(clip.frames, full_range(frames[::2]))


def test_a_saved_clip_is_loaded_and_windows_keep_to_it(tmp_path: Path) -> None:
    frames = noisy_frames(10, 128, 128)
    seconds = np.arange(10) / 25
    seconds[6:] += 0.2
    clip = LumaClip(frames, seconds, CropBox(-3, 4, 90))
    clip.save(tmp_path / "deep" / "a.mp4.npz")
    loaded = LumaClip.load(tmp_path / "deep" / "a.mp4.npz")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.mp4.npz"]
    assert loaded.box == clip.box
    np.testing.assert_array_equal(loaded.window(0, 6), frames[:6])
    np.testing.assert_array_equal(loaded.window(6, 4), frames[6:])
    for start, length in ((0, 11), (7, 4), (-1, 3)):
        with pytest.raises(DataError, match=f"window of {length} frames from frame {start} does not fit a clip of 10"):
            loaded.window(start, length)
    with pytest.raises(DataError, match="reaches over a gap in time"):
        loaded.window(3, 4)


def test_files_that_are_no_clip(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    LumaClip(noisy_frames(3, 64, 64), np.arange(3.0), CropBox(0, 0, 9)).save(path)
    with pytest.raises(DataError, match=r"a\.npz holds no clip .*prepare again"):
        LumaClip.load(path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match="holds no clip"):
        LumaClip.load(path)


def cut_short(video: bytes) -> bytes:
    return video[: len(video) * 2 // 3]


def damaged(video: bytes) -> bytes:
    middle = len(video) * 2 // 3
    return video[:middle] + bytes(200) + video[middle + 200 :]


@pytest.mark.parametrize(
    ("harm", "told"),
    [(cut_short, "is cut short|is damaged"), (damaged, "is damaged|cannot be decoded"),
     (lambda video: b"", "cannot be decoded"), (lambda video: b"no video" * 99, "cannot be decoded"),
     (lambda video: b"#EXTM3U\nhttp://127.0.0.1/a.ts\n", "cannot be decoded")],
)  # fmt: skip
def test_videos_that_are_not_whole_are_refused(tmp_path: Path, harm: Callable[[bytes], bytes], told: str) -> None:
    path = write_video(tmp_path / "a.mp4", noisy_frames(25), codec="mpeg4")
    assert len(cut_clip(path, ROW, WholePicture())) == 25
    path.write_bytes(harm(path.read_bytes()))
    with pytest.raises(DataError, match=told):
        cut_clip(path, ROW, WholePicture())


def test_a_video_that_ends_between_two_frames_is_cut_short(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", noisy_frames(25), codec="mpeg4")
    with av.open(str(path)) as container:
        positions = [packet.pos for packet in container.demux(video=0) if packet.size]
    path.write_bytes(path.read_bytes()[: positions[17]])
    with pytest.raises(DataError, match="is cut short: 17 of 25 frames are there"):
        cut_clip(path, ROW, WholePicture())


def test_unclear_videos_are_refused(tmp_path: Path) -> None:
    one = write_video(tmp_path / "one.mkv", noisy_frames(1))
    with pytest.raises(DataError, match="has 1 frames; motion needs two"):
        cut_clip(one, ROW, WholePicture())
    video = write_video(tmp_path / "a.mkv", noisy_frames(5, 160, 120))
    with pytest.raises(DataError, match="not square"):
        cut_clip(video, ROW, WholePicture())
    track = FaceTrack(np.tile(np.array([70, 50, 40], np.float32), (4, 1)), np.ones(4, bool))
    with pytest.raises(DataError, match="has 5 frames and its track 4"):
        cut_clip(video, ROW, TrackedFaces({"a": track}))
    with pytest.raises(DataError, match="cannot be decoded: No such file"):
        cut_clip(tmp_path / "nowhere.mp4", ROW, WholePicture())
