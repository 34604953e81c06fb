"""The video of one RTSP server, read by libav (RFC 2326; RTP interleaved in the one TCP connection).

What a hostile server can do is bounded as far as libav lets one:

- Every wait is: opening takes at most twice `OPEN_SECONDS` (connecting and describing, then probing), a packet at most
  `READ_SECONDS`, however slowly its bytes come. libav resolves the host's name without a limit of ours.
- No decoder takes a picture of more pixels than the settings allow, also not while libav probes (`max_pixels`); and
  before decoding our own look at the frame's header refuses it, as for WebRTC.
- Bytes and frames per second are capped between demuxer and decoder. Before that only time is: what arrives within
  `READ_SECONDS` without completing a frame stays in libav's memory.
- libav's RTSP and SDP parsers and its H.264 and VP8 decoders run in this process; other codecs are not opened. A server
  may redirect libav to another one.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING

import av
from av.error import (
    EOFError as EndOfStreamError,
)
from av.error import (
    ExitError,
    FFmpegError,
    HTTPForbiddenError,
    HTTPNotFoundError,
    HTTPUnauthorizedError,
)

from guard.calls.limited_decoder import CODECS, LimitedDecoder, max_pixels
from guard.calls.source import ReceivedFrame
from guard.config import CallsConfig
from guard.errors import JoinError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

OPEN_SECONDS = 4.0
READ_SECONDS = 4.0
_MICROSECONDS = 1_000_000
_FIRST_LIBAVFORMAT_WITH_TLS_OPTIONS = 62
_PROBE_BYTES = 500_000


@dataclass(frozen=True, slots=True)
class RtspAddress:
    """Where the server is; the credentials go into no text."""

    url: str = field(repr=False)
    """As libav takes it, with user and password."""
    shown: str
    """Without them."""

    @property
    def is_secure(self) -> bool:
        """True for RTSP over TLS."""
        return self.url.startswith("rtsps:")


def can_verify_tls() -> bool:
    """Whether this libav can be told to check an RTSP server's certificate; older ones take any."""
    return av.library_versions["libavformat"][0] >= _FIRST_LIBAVFORMAT_WITH_TLS_OPTIONS


def rtsp_frames(address: RtspAddress, config: CallsConfig, stop: Event) -> Generator[ReceivedFrame, None, str]:
    """Frames as they come, until `stop` is set or the server ends; returns why it is over. Raises JoinError."""
    with closing(_open(address, config)) as container:
        decoder = LimitedDecoder(_video_stream(container), config)
        try:
            for packet in container.demux(decoder.stream):
                if stop.is_set():
                    return "the guard left"
                yield from decoder.decode(packet, time.monotonic())
                if decoder.over is not None:
                    return decoder.over
        except FFmpegError as error:
            return _ending(error)
    return "the server ended the video"


def _open(address: RtspAddress, config: CallsConfig) -> InputContainer:
    options = {
        "rtsp_transport": "tcp",
        "allowed_media_types": "video",
        "protocol_whitelist": "tcp,tls",
        "timeout": str(round(READ_SECONDS * _MICROSECONDS)),
        "fflags": "nobuffer",
        "probesize": str(_PROBE_BYTES),
        "analyzeduration": str(_MICROSECONDS),
        "max_pixels": str(max_pixels(config)),
    }
    if address.is_secure:
        options["tls_verify"] = "1"
        if authorities := ssl.get_default_verify_paths().cafile:
            options["ca_file"] = authorities
    started_seconds = time.monotonic()
    try:
        return av.open(
            address.url,
            format="rtsp",
            options=options,
            timeout=(OPEN_SECONDS, READ_SECONDS),
            metadata_errors="replace",
        )
    except (FFmpegError, ValueError) as error:
        # An interrupted wait comes out as one error or another.
        if time.monotonic() - started_seconds >= OPEN_SECONDS:
            raise JoinError(f"the server does not answer within {OPEN_SECONDS:.0f} s") from None
        # Its text holds the address with the password.
        raise _refusal(error) from None


def _video_stream(container: InputContainer) -> VideoStream:
    if not container.streams.video:
        raise JoinError("the server offers no video")
    stream = container.streams.video[0]
    context = stream.codec_context
    if context is None or context.name not in CODECS:
        raise JoinError("the server sends neither H.264 nor VP8, and the guard decodes nothing else", retryable=False)
    return stream


def _refusal(error: Exception) -> JoinError:
    match error:
        case HTTPUnauthorizedError() | HTTPForbiddenError():
            return JoinError("the server refuses the user or the password; give valid ones", retryable=False)
        case HTTPNotFoundError():
            return JoinError("the server knows no video at this path (404)")
        case FFmpegError():
            return JoinError(f"the server cannot be reached or does not speak RTSP ({_reason(error)})")
    return JoinError("the server says what cannot be read")


def _ending(error: FFmpegError) -> str:
    if isinstance(error, ExitError):
        return f"no video for {READ_SECONDS:.0f} s"
    if isinstance(error, EndOfStreamError):
        return "the server ended the video"
    return f"the connection was lost ({_reason(error)})"


def _reason(error: FFmpegError) -> str:
    """Never the whole error: it names the address with the password."""
    return error.strerror or "unknown reason"
