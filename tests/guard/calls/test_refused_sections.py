"""Sections that aiortc cannot take are hidden from it, and rejected in the answer; the others stay as they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.calls.offer import check_offer
from guard.calls.refused_sections import refuse_undecodable

SESSION = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1 2 3\r\n"
TRANSPORT = (
    "c=IN IP4 127.0.0.1\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\na=setup:actpass\r\n"
    "a=fingerprint:sha-256 " + ":".join(["AA"] * 32) + "\r\n"
)


def video(mid: int, codec: str) -> str:
    lines = f"a=sendonly\r\na=rtcp-mux\r\na=rtpmap:100 {codec}/90000\r\na=ssrc:{mid + 7} cname:x\r\n"
    return f"m=video 9 UDP/TLS/RTP/SAVPF 100\r\n{TRANSPORT}a=mid:{mid}\r\n{lines}"


AUDIO = f"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n{TRANSPORT}a=mid:1\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n"
DATA = f"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n{TRANSPORT}a=mid:3\r\na=sctp-port:5000\r\n"
OFFER = SESSION + video(0, "VP8") + AUDIO + video(2, "VP9") + DATA


def test_decodable_sections_stay_as_they_are() -> None:
    offer = SESSION + video(0, "VP8") + video(1, "VP8")
    filtered = refuse_undecodable(offer, 8)
    assert filtered.sdp == offer
    assert filtered.refused == {}
    assert filtered.answer(offer) == offer


def test_an_offer_of_all_sorts_becomes_one_that_passes() -> None:
    filtered = refuse_undecodable(OFFER, 8)
    assert set(filtered.refused) == {"1", "2", "3"}
    check_offer(filtered.sdp, 65_536)
    assert filtered.sdp.count("m=video") == 4
    assert filtered.sdp.count("a=inactive") == 3
    assert "VP9" not in filtered.sdp
    assert "a=ssrc:9" not in filtered.sdp


def test_the_answer_rejects_what_was_hidden() -> None:
    answer = refuse_undecodable(OFFER, 8).answer(refuse_undecodable(OFFER, 8).sdp)
    assert [line for line in answer.splitlines() if line.startswith(("m=", "a=group"))] == [
        "a=group:BUNDLE 0",
        "m=video 9 UDP/TLS/RTP/SAVPF 100",
        "m=audio 0 UDP/TLS/RTP/SAVPF 111",
        "m=video 0 UDP/TLS/RTP/SAVPF 100",
        "m=application 0 UDP/DTLS/SCTP webrtc-datachannel",
    ]
    assert answer.count("a=mid:") == 4


def test_more_sections_than_allowed_are_an_error() -> None:
    with pytest.raises(ValueError, match="more than 3"):
        refuse_undecodable(OFFER, 3)


@pytest.mark.parametrize(
    "section", ["m=video 9 UDP/TLS/RTP/SAVPF 96\r\n", "m=\r\na=mid:0\r\n", "m=video\r\na=mid:0\r\n"]
)
def test_a_section_that_cannot_be_named_is_an_error(section: str) -> None:
    with pytest.raises(ValueError, match="malformed"):
        refuse_undecodable(SESSION + section, 8)


@given(st.lists(st.sampled_from(OFFER.splitlines()) | st.text(max_size=30), max_size=40))
def test_any_text_is_an_offer_or_a_value_error(lines: list[str]) -> None:
    try:
        refuse_undecodable("\r\n".join(lines), 8)
    except ValueError:
        return
