"""The clips of a network bench, as files of one format: so light to decode that the sender can encode them live."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
from numpy.typing import NDArray

from guard.bench.clip import FPS, puppet_pictures
from guard.calls.file import FileSource
from guard.errors import ConfigError, NoVideoError

if TYPE_CHECKING:
    from av.video.stream import VideoStream

ENROLMENT_SECONDS = 28.0
"""More than the 20 s of an enrolment, since some of it may be lost on a busy machine."""

_MAX_CLIP_SECONDS = 60.0
"""Longer calls play the clip in a loop."""
_LEAST_CLIP_SECONDS = 5.0
_RATE_FRAMES = 31
_MIN_FPS, _MAX_FPS = 5, 61
_WIDTH_PX, _HEIGHT_PX = 640, 360
_BITRATE_BPS = 6_000_000
"""Several times what a call sends, so that the second encoding, in the call, is the one that counts."""
_FACE, _OTHER_DRIVER = 0, 1
_ENROLMENT_TAKE, _CALL_TAKE = 0, 1


@dataclass(frozen=True, slots=True)
class Clips:
    """Three files: the genuine driver to enrol and to verify, and somebody else. source: what they show, for people."""

    enrolment: Path
    genuine: Path
    impostor: Path
    source: str


def make_clips(folder: Path, seconds: float, genuine: Path | None, impostor: Path | None) -> Clips:
    """Prepare clips of up to `seconds`: of the files where they are given, else of puppets with one face.

    The first part of `genuine` is enrolled and the rest of it verified. Raises ConfigError where only one file is
    given, NoVideoError for one that is too short, SourceError where there are no puppets.
    """
    if (genuine is None) != (impostor is None):
        raise ConfigError("--genuine and --impostor go together: two files that show the two drivers")
    clips = Clips(
        folder / "enrolment.webm",
        folder / "genuine.webm",
        folder / "impostor.webm",
        "puppets: one face, two drivers" if genuine is None or impostor is None else f"{genuine} / {impostor}",
    )
    seconds = min(seconds, _MAX_CLIP_SECONDS)
    if genuine is None or impostor is None:
        pictures = puppet_pictures()
        _write(_drawn(pictures(_FACE, take=_ENROLMENT_TAKE)), FPS, ENROLMENT_SECONDS, clips.enrolment)
        _write(_drawn(pictures(_FACE, take=_CALL_TAKE)), FPS, seconds, clips.genuine)
        _write(_drawn(pictures(_FACE, _OTHER_DRIVER, _CALL_TAKE)), FPS, seconds, clips.impostor)
    else:
        frames, fps = filmed(genuine)
        _require(_write(frames, fps, ENROLMENT_SECONDS, clips.enrolment), ENROLMENT_SECONDS, genuine)
        _require(_write(frames, fps, seconds, clips.genuine), _LEAST_CLIP_SECONDS, genuine)
        frames, fps = filmed(impostor)
        _require(_write(frames, fps, seconds, clips.impostor), _LEAST_CLIP_SECONDS, impostor)
    return clips


def filmed(file: Path) -> tuple[Iterator[av.VideoFrame], float]:
    """The pictures of a file and how many of them make a second. Raises NoVideoError."""
    frames = iter(FileSource(file))
    head = list(islice(frames, _RATE_FRAMES))
    seconds = head[-1].pts_seconds - head[0].pts_seconds if head else 0.0
    fps = (len(head) - 1) / seconds if seconds > 0 else 0.0
    if not _MIN_FPS <= fps <= _MAX_FPS:
        raise NoVideoError(f"{file} shows {fps:.1f} pictures a second; the bench sends {_MIN_FPS} to {_MAX_FPS}")
    return (received.image for received in chain(head, frames)), fps


def _drawn(pictures: Iterator[NDArray[np.uint8]]) -> Iterator[av.VideoFrame]:
    return (av.VideoFrame.from_ndarray(picture, format="bgr24") for picture in pictures)


def _write(frames: Iterator[av.VideoFrame], fps: float, seconds: float, file: Path) -> float:
    """Encode what is there of the first `seconds`, no larger than the bench sends; how many seconds there were."""
    written = 0
    with av.open(file, "w") as container:
        stream: VideoStream | None = None
        for frame in islice(frames, round(seconds * fps)):
            if stream is None:
                stream = container.add_stream("libvpx", rate=Fraction(fps).limit_denominator(1001))
                stream.width, stream.height = _fitting(frame.width, frame.height)
                stream.pix_fmt = "yuv420p"
                stream.bit_rate = _BITRATE_BPS
                stream.codec_context.thread_count = 1
                stream.options = {"deadline": "realtime", "cpu-used": "8", "auto-alt-ref": "0", "lag-in-frames": "0"}
            picture = frame.reformat(stream.width, stream.height, "yuv420p")
            picture.pts, picture.time_base = written, 1 / Fraction(fps).limit_denominator(1001)
            container.mux(stream.encode(picture))
            written += 1
        if stream is not None:
            container.mux(stream.encode(None))
    return written / fps


def _fitting(width_px: int, height_px: int) -> tuple[int, int]:
    """The size in 640x360 at the same aspect, in whole chroma samples."""
    scale = min(_WIDTH_PX / width_px, _HEIGHT_PX / height_px, 1.0)
    return max(2, round(width_px * scale / 2) * 2), max(2, round(height_px * scale / 2) * 2)


def _require(written_seconds: float, least_seconds: float, file: Path) -> None:
    if written_seconds < least_seconds - 1 / _MIN_FPS:
        raise NoVideoError(
            f"{file} is too short for the bench: it needs {ENROLMENT_SECONDS:.0f} s of the genuine driver to enrol and "
            f"{_LEAST_CLIP_SECONDS:.0f} s more to verify, and {_LEAST_CLIP_SECONDS:.0f} s of the impostor"
        )
