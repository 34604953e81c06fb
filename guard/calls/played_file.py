"""`file:///PATH` as a call source: a recording, played once and in real time, as if its participant were in a call."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from threading import Event
from urllib.parse import unquote, urlsplit

from guard.calls.backoff import Backoff, BackoffPolicy
from guard.calls.call_source import CallSource, RejoiningSource, SourceStats
from guard.calls.file import FileSource
from guard.calls.media_time import MediaTime
from guard.calls.reading_visit import ReadingVisit
from guard.calls.source import CallListener, ReceivedFrame
from guard.config import CallsConfig, SourceConfig
from guard.errors import ConfigError, JoinError, NoVideoError

_NOMINAL_STEP_SECONDS = 1 / 30


def played(path: Path, config: CallsConfig, stop: Event) -> Generator[ReceivedFrame, None, str]:
    """The frames of a recording at the pace of their time stamps; a jump of these becomes a gap.

    A machine that cannot decode so fast plays it slower, which the guard tells as it tells it of a slow camera.
    """
    clock = MediaTime()
    start_seconds = time.monotonic()
    try:
        for frame in FileSource(path):
            if frame.image.width > config.max_width_px or frame.image.height > config.max_height_px:
                raise JoinError("the video is larger than this guard accepts", retryable=False)
            media_seconds, jumped = clock.take(frame.pts_seconds, _NOMINAL_STEP_SECONDS)
            if stop.wait(max(start_seconds + media_seconds - time.monotonic(), 0.0)):
                return "the guard left"
            yield replace(
                frame,
                pts_seconds=media_seconds,
                arrival_seconds=time.monotonic(),
                after_gap=frame.after_gap or jumped,
            )
    except NoVideoError as error:
        raise JoinError(str(error), retryable=False) from error
    return "the recording has ended"


def file_source(
    source: SourceConfig, config: CallsConfig, listener: CallListener, on_change: Callable[[SourceStats], None]
) -> CallSource:
    """The source for a file:// address. Raises ConfigError where there is no such recording."""
    if source.name is None:
        raise ConfigError("a recording does not tell who is seen: give the participant's name (--name)")
    name, path = source.name, _path(source.url)
    try:
        FileSource(path)
    except NoVideoError as error:
        raise ConfigError(str(error)) from error
    return RejoiningSource(
        lambda: ReadingVisit(partial(played, path, config), source.call, name, config, listener),
        Backoff(BackoffPolicy(), Random()),
        on_change,
        once=True,
    )


def _path(url: str) -> Path:
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost") or parts.query or parts.fragment or not parts.path:
        raise ConfigError("a recording's address is file:///PATH, with %3F for a question mark and %23 for a hash")
    return Path(unquote(parts.path))
