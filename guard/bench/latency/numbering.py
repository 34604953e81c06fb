"""Which frame is which where no picture with its number comes out: by media time. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from guard.bench.clip import FPS
from guard.bench.latency.probe import ArrivedFrame
from guard.bench.latency.traces import SentFrame


def number_by_media_time(arrived: Sequence[ArrivedFrame], sent: Sequence[SentFrame]) -> list[ArrivedFrame]:
    """Give every arrived frame the number of the sent one of the same media time.

    Both count media time from their own first frame, and the sender's first may never have come: by how many frames
    they differ is told by the capture times, which come from the sender's clock through its RTCP reports. Single ones
    are off by a few milliseconds; the median of all of them, less than half a frame, tells the number of frames.
    Without any capture time nothing is known.
    """
    times = {round(frame.pts_seconds * FPS): frame for frame in sent if frame.pts_seconds is not None}
    captured = [frame.captured_at - frame.pts_seconds for frame in arrived if frame.captured_at is not None]
    if not times or not captured:
        return list(arrived)
    started = median(frame.at - number / FPS for number, frame in times.items())
    missing = round((median(captured) - started) * FPS)
    return [_numbered(frame, times.get(round(frame.pts_seconds * FPS) + missing)) for frame in arrived]


def _numbered(frame: ArrivedFrame, sent: SentFrame | None) -> ArrivedFrame:
    return replace(frame, number=None if sent is None else sent.number)
