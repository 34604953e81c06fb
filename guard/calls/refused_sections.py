"""Refusing single media sections of an offer, which aiortc cannot.

One section in a codec that aiortc does not have makes it fail on the whole offer: in a call of several, one
participant could shut the guard's eyes to all. Here such a section is kept away from aiortc behind an idle video
section of the same mid, and is answered as inactive. Rejecting it (port zero, RFC 3264 section 6) would be plainer,
but Janus takes no answer whose first section is rejected.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aiortc.codecs import CODECS
from aiortc.rtcpeerconnection import find_common_codecs
from aiortc.sdp import SessionDescription

_KEPT = ("c=", "a=mid:", "a=ice-", "a=fingerprint:", "a=setup:", "a=candidate:", "a=end-of-candidates")
_FORMATS = ("a=rtpmap:", "a=fmtp:", "a=sctp-port:")
_IDLE_VIDEO = ("m=video 9 UDP/TLS/RTP/SAVPF 96", "a=rtpmap:96 VP8/90000")
_INACTIVE = ("a=rtcp-mux", "a=inactive")


@dataclass(frozen=True, slots=True)
class FilteredOffer:
    """An offer that aiortc can take, and the sections of the original that it must not see."""

    sdp: str
    refused: Mapping[str, tuple[str, ...]]
    """What the original says of its media and formats, by mid."""

    def answer(self, answer_sdp: str) -> str:
        """The answer to the original offer, from aiortc's answer to this one."""
        lines, *sections = _split(answer_sdp)
        for section in sections:
            formats = self.refused.get(_mid(section))
            lines += section if formats is None else _inactive(formats, section)
        return _join(lines)


def refuse_undecodable(offer_sdp: str, max_sections: int) -> FilteredOffer:
    """Hide every section that is no video in a codec of this guard.

    Raises ValueError where there are too many sections, or one that cannot be named.
    """
    session, *sections = _split(offer_sdp)
    if len(sections) > max_sections:
        raise ValueError(f"more than {max_sections} media sections")
    refused: dict[str, tuple[str, ...]] = {}
    lines = list(session)
    for section in sections:
        mid = _mid(section)
        if _is_decodable(session, section):
            lines += section
            continue
        refused[mid] = (section[0], *(line for line in section if line.startswith(_FORMATS)))
        lines += _inactive(_IDLE_VIDEO, section)
    return FilteredOffer(_join(lines), refused)


def _is_decodable(session: list[str], section: list[str]) -> bool:
    if not section[0].startswith("m=video "):
        return False
    try:
        [media] = SessionDescription.parse(_join([*session, *section])).media
        return bool(find_common_codecs(CODECS["video"], media.rtp.codecs))
    # aiortc's parser has no error of its own: it raises whatever the text makes it trip over.
    except Exception:  # noqa: BLE001
        return False


def _inactive(formats: tuple[str, ...], section: list[str]) -> list[str]:
    """An inactive section of these media and formats, with the transport of `section`."""
    return [formats[0], *(line for line in section if line.startswith(_KEPT)), *formats[1:], *_INACTIVE]


def _split(sdp: str) -> list[list[str]]:
    """The lines of the session part, then those of each media section."""
    parts: list[list[str]] = [[]]
    for line in sdp.splitlines():
        if line.startswith("m="):
            parts.append([])
        parts[-1].append(line)
    return parts


def _mid(section: list[str]) -> str:
    mids = [line.removeprefix("a=mid:") for line in section if line.startswith("a=mid:")]
    if len(mids) != 1:
        raise ValueError("a media section has not exactly one a=mid")
    return mids[0]


def _join(lines: list[str]) -> str:
    return "".join(f"{line}\r\n" for line in lines)
