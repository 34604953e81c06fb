"""What an SDP offer must look like before a peer connection is made for it (RFC 8866, RFC 9725 section 4.2)."""

from __future__ import annotations

from aiortc.codecs import CODECS
from aiortc.rtcpeerconnection import find_common_codecs
from aiortc.sdp import MediaDescription, SessionDescription

from guard.errors import SignallingError

MAX_LINES = 2000
MAX_LINE_CHARACTERS = 2048
MAX_MEDIA_SECTIONS = 8
MAX_CANDIDATES = 64

_BAD_REQUEST = 400
_NOT_ACCEPTABLE = 406
_TOO_LARGE = 413
_UNPROCESSABLE = 422


def check_offer(offer_sdp: str, max_bytes: int) -> None:
    """Refuse an offer that is too large, no SDP, or holds no video that this guard can decode.

    Raises SignallingError whose `status` is 400, 406, 413 or 422. The text never repeats the offer: candidates in it
    are personal data.
    """
    _check_text(offer_sdp, max_bytes)
    description = _parse(offer_sdp)
    if not description.media:
        raise SignallingError("the offer has no media section; offer one video track, sendonly", _UNPROCESSABLE)
    if len(description.media) > MAX_MEDIA_SECTIONS:
        raise SignallingError(f"the offer has more than {MAX_MEDIA_SECTIONS} media sections", _UNPROCESSABLE)
    if sum(len(media.ice_candidates) for media in description.media) > MAX_CANDIDATES:
        raise SignallingError(f"the offer has more than {MAX_CANDIDATES} ICE candidates", _UNPROCESSABLE)
    for media in description.media:
        _check_section(media)
    _check_video([media for media in description.media if media.kind == "video"])


def _check_text(offer_sdp: str, max_bytes: int) -> None:
    if len(offer_sdp.encode()) > max_bytes:
        raise SignallingError(f"the offer is larger than {max_bytes} bytes", _TOO_LARGE)
    if not offer_sdp.startswith("v=0"):
        raise SignallingError("the body is no SDP: it does not start with v=0", _BAD_REQUEST)
    lines = offer_sdp.splitlines()
    if len(lines) > MAX_LINES or max(map(len, lines)) > MAX_LINE_CHARACTERS:
        raise SignallingError(
            f"the offer has more than {MAX_LINES} lines, or one above {MAX_LINE_CHARACTERS} characters", _BAD_REQUEST
        )


def _parse(offer_sdp: str) -> SessionDescription:
    try:
        return SessionDescription.parse(offer_sdp)
    # aiortc's parser has no error of its own: it raises whatever the text makes it trip over.
    except Exception as error:
        raise SignallingError("the offer is malformed SDP", _BAD_REQUEST) from error


def _check_section(media: MediaDescription) -> None:
    if media.kind not in ("audio", "video"):
        raise SignallingError("the offer has a section that is neither audio nor video; leave it out", _UNPROCESSABLE)
    if media.ice is None or not media.ice.usernameFragment or not media.ice.password:
        raise SignallingError("the offer lacks ICE credentials (a=ice-ufrag, a=ice-pwd)", _BAD_REQUEST)
    if media.dtls is None or not media.dtls.fingerprints:
        raise SignallingError("the offer lacks a DTLS fingerprint or role (a=fingerprint, a=setup)", _BAD_REQUEST)
    if not media.rtp.muxId:
        raise SignallingError("a media section of the offer has no a=mid", _BAD_REQUEST)
    if not media.rtcp_mux:
        raise SignallingError("a media section of the offer does not use a=rtcp-mux", _UNPROCESSABLE)


def _check_video(videos: list[MediaDescription]) -> None:
    if not any(is_sending(media) for media in videos):
        raise SignallingError("the offer sends no video; offer one video track, sendonly", _UNPROCESSABLE)
    for media in videos:
        if not _has_common_codec(media):
            offered = sorted({codec.name for codec in media.rtp.codecs if codec.name.isalnum()} - {"rtx", "red"})
            raise SignallingError(
                f"the guard decodes VP8 and H264 (packetization-mode 1), the offer has only {', '.join(offered[:8])}",
                _NOT_ACCEPTABLE,
            )


def is_sending(media: MediaDescription) -> bool:
    """Whether the offerer means to send in this section."""
    return media.direction in ("sendonly", "sendrecv")


def _has_common_codec(media: MediaDescription) -> bool:
    return bool(find_common_codecs(CODECS["video"], media.rtp.codecs))
