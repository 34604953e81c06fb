"""Refusing single media sections of an offer, which aiortc cannot (RFC 8829 section 5.3.1).

aiortc knows no rejected section (port zero), and one section in a codec it does not have makes it fail on the whole
offer: in a call of several, one participant could shut the guard's eyes to all. Here such a section is kept away
from aiortc behind an idle video section of the same mid, and the answer says what really happened to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aiortc.codecs import CODECS
from aiortc.rtcpeerconnection import find_common_codecs
from aiortc.sdp import SessionDescription

_KEPT = ("c=", "a=mid:", "a=ice-", "a=fingerprint:", "a=setup:", "a=candidate:", "a=end-of-candidates")
_IDLE_VIDEO = ("m=video 9 UDP/TLS/RTP/SAVPF 96", "a=rtpmap:96 VP8/90000", "a=rtcp-mux", "a=inactive")
_BUNDLE = "a=group:BUNDLE"


@dataclass(frozen=True, slots=True)
class FilteredOffer:
    """An offer that aiortc can take, and the sections of the original that it must not see."""

    sdp: str
    refused: Mapping[str, str]
    """The original m= line by mid."""

    def answer(self, answer_sdp: str) -> str:
        """The answer to the original offer, from aiortc's answer to this one."""
        session, *sections = _split(answer_sdp)
        lines = [self._without_refused(line) for line in session]
        for section in sections:
            mid = _mid(section)
            lines += _rejection(mid, self.refused[mid]) if mid in self.refused else section
        return _join(lines)

    def _without_refused(self, line: str) -> str:
        """What is rejected belongs to no bundle (RFC 8843 section 7.3.3)."""
        if not line.startswith(_BUNDLE):
            return line
        return " ".join([_BUNDLE, *(mid for mid in line.split()[1:] if mid not in self.refused)])


def refuse_undecodable(offer_sdp: str, max_sections: int) -> FilteredOffer:
    """Hide every section that is no video in a codec of this guard.

    Raises ValueError where there are too many sections, or one that cannot be named.
    """
    session, *sections = _split(offer_sdp)
    if len(sections) > max_sections:
        raise ValueError(f"more than {max_sections} media sections")
    refused: dict[str, str] = {}
    lines = list(session)
    for section in sections:
        if _is_decodable(session, section):
            lines += section
            continue
        refused[_mid(section)] = section[0]
        lines += [_IDLE_VIDEO[0], *(line for line in section if line.startswith(_KEPT)), *_IDLE_VIDEO[1:]]
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


def _rejection(mid: str, media_line: str) -> list[str]:
    kind, _port, rest = media_line.split(" ", 2)
    return [f"{kind} 0 {rest}", "c=IN IP4 0.0.0.0", f"a=mid:{mid}", "a=inactive"]


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
    if len(mids) != 1 or len(section[0].split(" ", 2)) != 3:
        raise ValueError("a media section has no a=mid, or a malformed m= line")
    return mids[0]


def _join(lines: list[str]) -> str:
    return "".join(f"{line}\r\n" for line in lines)
