"""Video files: frames in order, one line for everything that is no video, and the pixels of a call."""

from __future__ import annotations

import os
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from engines.pixels import CropBox, FaceBox, LumaPlane, luma_plane
from guard.calls.file import FileSource
from guard.calls.source import ReceivedFrame
from guard.errors import NoVideoError
from guard.media.front_end import FaceFrame, FaceFrontEnd

FPS = 25


class PlacedFace:
    """A detector that sees what it is told."""

    def __init__(self, face: FaceBox | None) -> None:
        self.face = face

    def detect(self, luma: LumaPlane, near: CropBox | None = None) -> FaceBox | None:
        return self.face


FACE = FaceBox(60, 40, 60, 80, 0.9)


def record(path: Path, frames: int = 50, *, turned: int = 0, start: int = 0, faststart: bool = False) -> Path:
    """A small clip with a square that moves, `frames` long."""
    options = {"movflags": "faststart"} if faststart else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("mpeg4", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 192, 144, "yuv420p"
        if turned:
            stream.set_display_rotation(turned)
        for n in range(frames):
            luma = np.full((144, 192), 60, np.uint8)
            luma[20:60, 2 * n % 150 : 2 * n % 150 + 30] = 200
            picture = av.VideoFrame.from_ndarray(np.vstack([luma, np.full((72, 192), 128, np.uint8)]), "yuv420p")
            picture.pts, picture.time_base = n + start, Fraction(1, FPS)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("clips") / "clip.mp4")


def test_every_frame_comes_in_order_from_time_zero(clip: Path) -> None:
    frames = list(FileSource(clip))
    assert [frame.pts_seconds for frame in frames] == pytest.approx([n / FPS for n in range(50)])
    assert not any(frame.after_gap for frame in frames)
    assert all(a.arrival_seconds <= b.arrival_seconds for a, b in pairwise(frames))


def test_media_time_starts_at_zero_wherever_the_container_starts(tmp_path: Path) -> None:
    frames = list(FileSource(record(tmp_path / "late.mkv", start=500)))
    assert frames[0].pts_seconds == 0
    assert frames[-1].pts_seconds == pytest.approx(49 / FPS, abs=0.002)


def test_frames_without_a_time_stamp_follow_at_the_stated_rate(tmp_path: Path) -> None:
    raw = tmp_path / "stamps.m4v"  # an elementary stream has no container to keep time
    with av.open(str(record(tmp_path / "clip.mp4"))) as container:
        extra = container.streams.video[0].codec_context.extradata or b""
        raw.write_bytes(extra + b"".join(bytes(packet) for packet in container.demux(video=0)))
    times = [frame.pts_seconds for frame in FileSource(raw)]
    assert len(times) == 50
    assert np.diff(times) == pytest.approx(1 / FPS, abs=1e-6)


@pytest.mark.parametrize("turned", [90, 180, -90])
def test_a_recording_on_its_side_is_turned_upright(tmp_path: Path, turned: int) -> None:
    plain = next(iter(FileSource(record(tmp_path / "plain.mp4", 3)))).image
    on_its_side = next(iter(FileSource(record(tmp_path / "turned.mp4", 3, turned=turned)))).image
    expected = np.rot90(luma_plane(plain).pixels, turned // 90)
    assert np.array_equal(luma_plane(on_its_side).pixels, expected)


def make_empty(path: Path) -> Path:
    path.touch()
    return path


def make_text(path: Path) -> Path:
    path.write_text("no video at all\n" * 100)
    return path


def make_sound(path: Path) -> Path:
    with av.open(str(path), "w", format="wav") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
    return path


def make_headless(path: Path) -> Path:
    """An MP4 cut before its index, which stands at the end."""
    record(path)
    path.write_bytes(path.read_bytes()[:2000])
    return path


def make_hollow(path: Path) -> Path:
    """An MP4 with its index in front and none of its pictures."""
    record(path, faststart=True)
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"mdat") + 4])
    return path


def make_pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


def make_playlist(path: Path) -> Path:
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/clip.ts\n#EXT-X-ENDLIST\n")
    return path


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path, "no file"),
        (lambda path: path.parent, "is a folder"),
        (make_empty, "is empty"),
        (make_text, "is no video"),
        (make_sound, "holds no video stream"),
        (make_headless, "cut short"),
        (make_hollow, "cut short"),
        (make_pipe, "no regular file"),
        (make_playlist, "is no video"),
    ],
)
def test_what_is_no_video_is_refused_in_one_line(tmp_path: Path, make: object, words: str) -> None:
    assert callable(make)
    path = make(tmp_path / "clip.mp4")
    with pytest.raises(NoVideoError, match=words) as caught:
        list(FileSource(path))
    text = str(caught.value)
    assert "\n" not in text
    assert str(path) in text
    assert ";" in text  # what to do


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # the tests may run as root, who may read everything
    with pytest.raises(NoVideoError, match="permissions"):
        FileSource(make_text(tmp_path / "clip.mp4"))


def test_damage_in_the_middle_is_a_gap_and_not_the_end(tmp_path: Path) -> None:
    path = record(tmp_path / "damaged.mkv")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 300] = bytes(300)
    path.write_bytes(data)
    frames = list(FileSource(path))
    assert 20 <= len(frames) <= 50
    assert frames[-1].pts_seconds == pytest.approx(49 / FPS, abs=0.01)


def test_a_cut_file_gives_what_is_left(tmp_path: Path) -> None:
    path = record(tmp_path / "cut.mp4", faststart=True)
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 2])
    assert 10 <= len(list(FileSource(path))) < 50


def test_a_file_and_a_call_give_the_same_pixels(clip: Path) -> None:
    offline_end = FaceFrontEnd(PlacedFace(FACE))
    from_file = [offline_end.process(frame) for frame in FileSource(clip)]
    live = FaceFrontEnd(PlacedFace(FACE))
    with av.open(str(clip)) as container:
        from_call = [
            live.process(ReceivedFrame(image, n / FPS, 1.0 + n, 1.7e9, after_gap=False))
            for n, image in enumerate(container.decode(video=0))
        ]
    assert len(from_file) == len(from_call) == 50
    for offline, online in zip(from_file, from_call, strict=True):
        assert isinstance(offline, FaceFrame)
        assert isinstance(online, FaceFrame)
        assert np.array_equal(offline.pixels, online.pixels)
        assert offline.continues == online.continues
