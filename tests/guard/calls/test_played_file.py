"""A recording as a call: real time, once, with a clear end."""

from __future__ import annotations

import time
from pathlib import Path
from threading import Event

import pytest

from guard.calls.call_source import SourceStats
from guard.calls.played_file import played
from guard.calls.source import ReceivedFrame
from guard.calls.source_registry import make_source
from guard.config import CallsConfig, SourceConfig
from guard.errors import ConfigError, JoinError
from tests.guard.calls.test_file_source import record
from tests.whip_endpoint import Recorder, until


def frames_of(path: Path, config: CallsConfig | None = None) -> tuple[list[ReceivedFrame], str]:
    frames, reader = [], played(path, config or CallsConfig(), Event())
    while True:
        try:
            frames.append(next(reader))
        except StopIteration as end:
            return frames, end.value


def test_no_frame_comes_before_its_time(tmp_path: Path) -> None:
    start = time.monotonic()
    frames, why = frames_of(record(tmp_path / "clip.mp4", 10))
    assert [frame.pts_seconds for frame in frames] == pytest.approx([n / 25 for n in range(10)])
    assert all(frame.arrival_seconds - start >= frame.pts_seconds for frame in frames)
    assert why == "the recording has ended"


def test_stopping_does_not_wait_for_the_next_frame(tmp_path: Path) -> None:
    stop = Event()
    reader = played(record(tmp_path / "clip.mp4"), CallsConfig(), stop)
    next(reader)
    stop.set()
    with pytest.raises(StopIteration, match="the guard left"):
        next(reader)


def test_a_jump_in_the_recording_is_a_gap_and_no_pause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from guard.calls import played_file

    clip = [
        ReceivedFrame(frame.image, frame.pts_seconds + 3600 * (n >= 3), 0, None, after_gap=False)
        for n, frame in enumerate(frames_of(record(tmp_path / "clip.mp4", 6))[0])
    ]
    monkeypatch.setattr(played_file, "FileSource", lambda _path: clip)
    frames, _ = frames_of(tmp_path / "clip.mp4")
    assert [frame.after_gap for frame in frames] == [False, False, False, True, False, False]
    assert frames[-1].pts_seconds < 1


def test_a_large_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JoinError, match="larger"):
        frames_of(record(tmp_path / "clip.mp4", 3), CallsConfig(max_width_px=100))


async def test_it_is_played_once(tmp_path: Path) -> None:
    changes: list[SourceStats] = []
    recorder = Recorder()
    url = record(tmp_path / "a clip?.mp4", 5).as_uri()
    source = make_source(SourceConfig(url=url, name="ann", call="standup"), CallsConfig(), recorder, changes.append)
    await source.connect()
    await until(lambda: recorder.of("ann") == ["joined", "left"])
    await until(lambda: len(changes) == 3)
    assert [stats.state.value for stats in changes] == ["joining", "joined", "closed"]
    assert changes[-1].why == "the recording has ended"
    assert recorder.received("ann") == 5
    await source.close()


@pytest.mark.parametrize("url", ["file:///no/such/clip.mp4", "file://elsewhere/clip.mp4", "file:///clip?x=1", "file:"])
def test_what_cannot_be_played_is_refused_at_once(url: str) -> None:
    with pytest.raises(ConfigError):
        make_source(SourceConfig(url=url, name="ann"), CallsConfig(), Recorder(), lambda _stats: None)


def test_a_recording_needs_to_know_who_is_seen(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--name"):
        make_source(
            SourceConfig(url=record(tmp_path / "c.mp4", 3).as_uri()), CallsConfig(), Recorder(), lambda _s: None
        )
