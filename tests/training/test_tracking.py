"""Recordings become drivers: with a finder that knows where the face is, in place of MediaPipe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from engines.expressions.face_landmarker import FindFace, FoundFace
from training.data.manifest import ManifestRow, read_manifest, write_manifest
from training.data.strict_decoding import decoded_frames
from training.data.tracking import fit_basis, track_video, upright
from training.data.tracking_run import track_recordings
from training.drivers.tracks import load_tracks
from training.errors import DataError

FRAMES = 40
HEAD = np.eye(4, dtype=np.float32)
RNG = np.random.default_rng(0)
FACE = RNG.uniform(-1, 1, (478, 2))
FACE[33], FACE[263] = (-0.5, 0), (0.5, 0)
SMILE = RNG.normal(0, 0.05, (478, 2))
SMILE[[33, 263]] = 0


def points(number: int) -> NDArray[np.float64]:
    """A smile that comes and goes on a head that nods, grows and tilts: (478, 2) in pixels."""
    roll, distance, middle = 0.3 * np.sin(number / 7), 60 + number / 4, np.array([120.0 + number, 90.0])
    shape = FACE + np.sin(number / 5) * SMILE
    turn = np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])
    return np.asarray(middle + distance * shape @ turn)


def finder(hidden: tuple[int, ...] = ()) -> FindFace:
    numbers: Iterator[int] = iter(range(10_000))
    times: list[int] = []

    def find(picture: NDArray[np.uint8], milliseconds: int) -> FoundFace | None:
        assert picture.shape == (120, 160, 3)
        assert not times or milliseconds > times[-1]
        times.append(milliseconds)
        number = next(numbers)
        return None if number in hidden else FoundFace(points(number), np.full(52, 0.5, np.float32), HEAD)

    return find


def shown() -> AbstractContextManager[FindFace]:
    return nullcontext(finder())


def film(path: Path, frames: int = FRAMES) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(np.full((120, 160, 3), number, np.uint8), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def row(path: str, driver: str, session: str, generator: str = "none") -> ManifestRow:
    return ManifestRow(path, driver, driver, session, generator, "own", "train", "CC0")


def test_place_size_and_roll_are_taken_off() -> None:
    for number in (0, 11, 25):
        found = upright(points(number))
        assert found is not None
        np.testing.assert_allclose(found[0], FACE + np.sin(number / 5) * SMILE, atol=1e-9)
        wanted = [120 + number, 90, 60 + number / 4, 0.3 * np.sin(number / 7)]
        np.testing.assert_allclose(found[1], wanted, atol=1e-9)


def test_eyes_in_one_place_are_no_face() -> None:
    assert upright(np.zeros((478, 2))) is None


def test_a_basis_gives_shapes_back() -> None:
    shapes = np.stack([FACE + factor * SMILE for factor in np.linspace(-1, 1, 30)]).astype(np.float32)
    basis = fit_basis(shapes)
    again = basis.mean + np.tensordot(basis.coefficients(shapes), basis.components, 1)
    np.testing.assert_allclose(again, shapes, atol=1e-5)


def test_frames_without_a_face_are_told(tmp_path: Path) -> None:
    video = track_video(film(tmp_path / "a.mp4"), finder(hidden=(3, 4)))
    assert video.fps == pytest.approx(25)
    assert video.size == (160, 120)
    assert np.flatnonzero(~video.ok).tolist() == [3, 4]
    assert video.blend[0].tolist() == [128] * 52
    assert not video.blend[3].any()
    with pytest.raises(DataError, match="shows no face"):
        track_video(tmp_path / "a.mp4", finder(hidden=tuple(range(FRAMES))))
    with pytest.raises(DataError, match="has 5 frames; 16 at least"):
        track_video(film(tmp_path / "short.mp4", 5), finder())


def test_recordings_become_drivers_and_what_is_there_is_kept(tmp_path: Path) -> None:
    videos, out = tmp_path / "videos", tmp_path / "people"
    film(videos / "ann" / "monday.mp4")
    film(videos / "ann" / "friday.mp4")
    film(videos / "driven.mp4")
    (videos / "torn.mp4").write_bytes((videos / "driven.mp4").read_bytes()[:900])
    rows = [
        row("ann/monday.mp4", "ann", "1"),
        row("ann/friday.mp4", "ann", "2"),
        row("torn.mp4", "ben", "1"),
        row("driven.mp4", "ann", "1", generator="warp"),
    ]
    write_manifest(rows, videos / "manifest.csv")
    manifest = read_manifest(videos / "manifest.csv")
    seen: list[int] = []
    first = track_recordings(manifest, out, shown, None, seen.append)
    assert (first.made, first.kept, first.frames, first.found) == (2, 0, 2 * FRAMES, 2 * FRAMES)
    assert [refusal.path for refusal in first.refused] == ["torn.mp4"]
    assert seen == [1, 2, 3]
    tracks = load_tracks(out, fps=25)
    assert [(track.driver, track.session, track.split) for track in tracks] == [
        ("ann", "ann/1", "train"),
        ("ann", "ann/2", "train"),
    ]
    assert len(tracks[0].motion.landmarks) == FRAMES
    swing = np.sin(np.arange(FRAMES) / 5)
    moved = tracks[0].motion.landmarks[:, 60]
    assert np.corrcoef(moved @ moved[np.argmax(np.abs(moved).sum(1))], swing)[0, 1] ** 2 > 0.999

    def nobody_looks() -> AbstractContextManager[FindFace]:
        raise AssertionError("tracked again")

    rows.pop(2)
    write_manifest(rows, videos / "manifest.csv")
    again = track_recordings(read_manifest(videos / "manifest.csv"), out, nobody_looks, out / "tracks", seen.append)
    assert (again.made, again.kept, again.refused) == (0, 2, ())


def test_other_folders_are_left_alone(tmp_path: Path) -> None:
    film(tmp_path / "a.mp4")
    write_manifest([row("a.mp4", "ann", "1")], tmp_path / "manifest.csv")
    manifest = read_manifest(tmp_path / "manifest.csv")
    with pytest.raises(DataError, match="holds something else already"):
        track_recordings(manifest, tmp_path, shown, None, lambda _: None)
    write_manifest([row("a.mp4", "ann", "1", generator="warp")], tmp_path / "manifest.csv")
    with pytest.raises(DataError, match="lists no recording"):
        track_recordings(read_manifest(tmp_path / "manifest.csv"), tmp_path / "out", shown, None, lambda _: None)


def test_every_frame_is_decoded(tmp_path: Path) -> None:
    times = [seconds for seconds, _ in decoded_frames(film(tmp_path / "a.mp4"))]
    np.testing.assert_allclose(times, np.arange(FRAMES) / 25, atol=1e-6)
