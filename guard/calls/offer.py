"""What an SDP offer or answer must look like before aiortc sees it (RFC 8866, RFC 9725 section 4.2)."""

from __future__ import annotations

import re

from aiortc.codecs import CODECS
from aiortc.rtcpeerconnection import find_common_codecs
from aiortc.sdp import MediaDescription, SessionDescription

from guard.errors import SignallingError

MAX_LINES = 2000
MAX_LINE_CHARACTERS = 2048
MAX_MEDIA_SECTIONS = 8
MAX_CANDIDATES = 64
_MAX_SECTION_SSRCS = 2
_CODEC_NAME = re.compile(r"[A-Za-z0-9]{1,12}")
"""What may be repeated to its sender; anything may stand where a codec's name should."""

_BAD_REQUEST = 400
_NOT_ACCEPTABLE = 406
_TOO_LARGE = 413
_UNPROCESSABLE = 422


def check_offer(
    offer_sdp: str, max_bytes: int, *, max_sections: int = MAX_MEDIA_SECTIONS, must_send: bool = True
) -> None:
    """Refuse an offer that is too large, no SDP, or holds no video that this guard can decode.

    An offer of an SFU whose last participant left sends nothing any more: `must_send` is False for those.

    Raises SignallingError whose `status` is 400, 406, 413 or 422. The text never repeats the offer: candidates in it
    are personal data.
    """
    _check("offer", offer_sdp, max_bytes, max_sections, must_send)


def check_answer(answer_sdp: str, max_bytes: int) -> None:
    """Refuse an answer to this guard's offer of one video by the rules for offers. Raises SignallingError."""
    _check("answer", answer_sdp, max_bytes, max_sections=1, must_send=True)


def sending_videos(sdp: str) -> list[str]:
    """The mids of the video sections in which the peer sends, in order; for checked descriptions."""
    sections = SessionDescription.parse(sdp).media
    return [media.rtp.muxId for media in sections if media.kind == "video" and is_sending(media)]


def declared_ssrcs(sdp: str) -> dict[str, tuple[int, ...]]:
    """The SSRCs of every sending video section by mid: first the media's, then its retransmission's, if any.

    Raises ValueError where a section announces none or more than two, or one is announced twice.
    """
    found: dict[str, tuple[int, ...]] = {}
    for media in SessionDescription.parse(sdp).media:
        if media.kind == "video" and is_sending(media):
            found[media.rtp.muxId] = tuple(source.ssrc for source in media.ssrc)
    if not all(1 <= len(ssrcs) <= _MAX_SECTION_SSRCS for ssrcs in found.values()):
        raise ValueError("a video section announces no SSRC, or more than one picture")
    every = [ssrc for ssrcs in found.values() for ssrc in ssrcs]
    if len(set(every)) != len(every):
        raise ValueError("two media sections announce the same SSRC")
    return found


def _check(what: str, sdp: str, max_bytes: int, max_sections: int, must_send: bool) -> None:
    _check_text(what, sdp, max_bytes)
    description = _parse(what, sdp)
    if not description.media:
        raise SignallingError(f"the {what} has no media section; one sendonly video track is needed", _UNPROCESSABLE)
    if len(description.media) > max_sections:
        raise SignallingError(f"the {what} has more than {max_sections} media sections", _UNPROCESSABLE)
    if sum(len(media.ice_candidates) for media in description.media) > MAX_CANDIDATES:
        raise SignallingError(f"the {what} has more than {MAX_CANDIDATES} ICE candidates", _UNPROCESSABLE)
    for media in description.media:
        _check_section(what, media)
    _check_video(what, [media for media in description.media if media.kind == "video"], must_send)


def _check_text(what: str, sdp: str, max_bytes: int) -> None:
    if len(sdp.encode()) > max_bytes:
        raise SignallingError(f"the {what} is larger than {max_bytes} bytes", _TOO_LARGE)
    if not sdp.startswith("v=0"):
        raise SignallingError("the body is no SDP: it does not start with v=0", _BAD_REQUEST)
    lines = sdp.splitlines()
    if len(lines) > MAX_LINES or max(map(len, lines)) > MAX_LINE_CHARACTERS:
        raise SignallingError(
            f"the {what} has more than {MAX_LINES} lines, or one above {MAX_LINE_CHARACTERS} characters", _BAD_REQUEST
        )


def _parse(what: str, sdp: str) -> SessionDescription:
    try:
        return SessionDescription.parse(sdp)
    # aiortc's parser has no error of its own: it raises whatever the text makes it trip over.
    except Exception as error:
        raise SignallingError(f"the {what} is malformed SDP", _BAD_REQUEST) from error


def _check_section(what: str, media: MediaDescription) -> None:
    if media.kind not in ("audio", "video"):
        raise SignallingError(f"the {what} has a section that is neither audio nor video; leave it out", _UNPROCESSABLE)
    if media.ice is None or not media.ice.usernameFragment or not media.ice.password:
        raise SignallingError(f"the {what} lacks ICE credentials (a=ice-ufrag, a=ice-pwd)", _BAD_REQUEST)
    if media.dtls is None or not media.dtls.fingerprints:
        raise SignallingError(f"the {what} lacks a DTLS fingerprint or role (a=fingerprint, a=setup)", _BAD_REQUEST)
    if not media.rtp.muxId:
        raise SignallingError(f"a media section of the {what} has no a=mid", _BAD_REQUEST)
    if not media.rtcp_mux:
        raise SignallingError(f"a media section of the {what} does not use a=rtcp-mux", _UNPROCESSABLE)


def _check_video(what: str, videos: list[MediaDescription], must_send: bool) -> None:
    if must_send and not any(is_sending(media) for media in videos):
        raise SignallingError(f"the {what} sends no video; one sendonly video track is needed", _UNPROCESSABLE)
    for media in videos:
        if not _has_common_codec(what, media):
            names = {codec.name for codec in media.rtp.codecs if _CODEC_NAME.fullmatch(codec.name)}
            offered = ", ".join(sorted(names - {"rtx", "red"})[:8]) or "others"
            raise SignallingError(
                f"the guard decodes VP8 and H264 (packetization-mode 1), the {what} has only {offered}",
                _NOT_ACCEPTABLE,
            )


def is_sending(media: MediaDescription) -> bool:
    """Whether the one who wrote the description means to send in this section."""
    return media.direction in ("sendonly", "sendrecv")


def _has_common_codec(what: str, media: MediaDescription) -> bool:
    try:
        return bool(find_common_codecs(CODECS["video"], media.rtp.codecs))
    # As the parser: a=fmtp without a value where a number is expected is a TypeError, for one.
    except Exception as error:
        raise SignallingError(f"the {what} is malformed SDP", _BAD_REQUEST) from error
