"""The sending process in a real call: it encodes a file, turns the network bad on order, and ends when told to."""

from __future__ import annotations

import asyncio
from pathlib import Path

import av
import numpy as np
import pytest

from guard.bench.network.clips import filmed, make_clips
from guard.bench.network.impairment import Impairment
from guard.bench.network.orders import SenderJob, sending
from guard.bench.network.sender import ClipPlayer
from guard.config import CallsConfig
from guard.errors import ConfigError, NoVideoError, SourceError
from tests.whip_endpoint import TOKEN, Recorder, running_endpoint, until


def write_clip(file: Path, seconds: float, fps: int = 25, size: tuple[int, int] = (320, 240)) -> Path:
    """A film whose pictures get brighter."""
    with av.open(file, "w") as container:
        stream = container.add_stream("libvpx", rate=fps)
        stream.width, stream.height = size
        stream.codec_context.thread_count = 1  # more of them only wait for each other
        stream.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
        count = round(seconds * fps)
        for number in range(count):
            picture = np.full((size[1] * 3 // 2, size[0]), 20 + 200 * number // count, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="yuv420p")))
        container.mux(stream.encode(None))
    return file


async def test_a_clip_reaches_the_guard_until_the_network_is_gone(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.webm", 2)
    async with running_endpoint(CallsConfig(loopback=True), Recorder()) as endpoint:
        gone = Impairment(loss=1.0)
        job = SenderJob(endpoint.seat("ann"), TOKEN, clip, to_guard=gone, to_client=Impairment(), seed=1)
        async with sending(job) as sender:
            await until(lambda: endpoint.listener.received("ann") >= 10, seconds=60)
            before = await sender.count()
            assert before.frames >= 10
            assert before.media.taken == 0
            await sender.impair()
            async with asyncio.timeout(60):
                while (after := await sender.count()).media.taken < 5:  # noqa: ASYNC110 - another process counts
                    await asyncio.sleep(0.05)
            assert after.media.taken == after.media.lost >= 5
        assert endpoint.listener.of("ann") == ["joined", "left"]


async def test_a_guard_that_refuses_is_one_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    clip = write_clip(tmp_path / "clip.webm", 2)
    async with running_endpoint(CallsConfig(loopback=True), Recorder()) as endpoint:
        job = SenderJob(endpoint.seat("ann"), "wrong", clip, Impairment(), Impairment(), seed=1)
        with pytest.raises(SourceError, match="process 'sender' has ended"):
            async with sending(job):
                pytest.fail("it was not refused")
    said = capfd.readouterr().err
    assert said.startswith("error: the guard refused the connection (401)")
    assert said.count("\n") == 1


async def test_a_clip_that_is_lost_during_the_call_is_one_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    clip = write_clip(tmp_path / "clip.webm", 1.5)
    async with running_endpoint(CallsConfig(loopback=True), Recorder()) as endpoint:
        job = SenderJob(endpoint.seat("ann"), TOKEN, clip, Impairment(), Impairment(), seed=1)
        async with sending(job) as sender, asyncio.timeout(60):
            clip.unlink()
            with pytest.raises(SourceError, match="process 'sender' has ended"):
                while True:  # until the clip would start anew
                    await sender.count()
                    await asyncio.sleep(0.05)
    said = capfd.readouterr().err
    assert said.startswith("error: there is no file")
    assert said.count("\n") == 1


def test_a_player_starts_anew_at_the_end(tmp_path: Path) -> None:
    player = ClipPlayer(write_clip(tmp_path / "clip.webm", 2, fps=25))
    assert player.fps == pytest.approx(25, rel=0.01)
    brightness = [player.next_frame().to_ndarray(format="gray").mean() for _ in range(60)]
    assert player.taken == 60
    assert brightness[:50] == sorted(brightness[:50])
    assert brightness[50:] == brightness[:10]


def test_clips_keep_rate_and_aspect_and_the_enrolled_part_is_not_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("guard.bench.network.clips.ENROLMENT_SECONDS", 2.0)
    monkeypatch.setattr("guard.bench.network.clips._LEAST_CLIP_SECONDS", 1.0)
    genuine = write_clip(tmp_path / "a.webm", 4, size=(480, 720))
    impostor = write_clip(tmp_path / "b.webm", 2)
    clips = make_clips(tmp_path, 1.5, genuine, impostor)
    enrolled, enrolled_fps = filmed(clips.enrolment)
    sent, _ = filmed(clips.genuine)
    enrolled_frames, sent_frames = list(enrolled), list(sent)
    assert enrolled_fps == pytest.approx(25, rel=0.01)
    assert (len(enrolled_frames), len(sent_frames)) == (50, 38)
    assert (enrolled_frames[0].width, enrolled_frames[0].height) == (240, 360)
    assert sent_frames[0].to_ndarray(format="gray").mean() > enrolled_frames[-1].to_ndarray(format="gray").mean()


def test_bad_clips_get_one_clear_error(tmp_path: Path) -> None:
    short, still = write_clip(tmp_path / "a.webm", 3), write_clip(tmp_path / "b.webm", 0.04)
    with pytest.raises(ConfigError, match="go together"):
        make_clips(tmp_path, 5, short, None)
    with pytest.raises(NoVideoError, match="too short for the bench: it needs 28 s"):
        make_clips(tmp_path, 5, short, short)
    with pytest.raises(NoVideoError, match=r"shows 0\.0 pictures a second"):
        filmed(still)
    with pytest.raises(NoVideoError, match="there is no file"):
        make_clips(tmp_path, 5, tmp_path / "none.mp4", short)
