"""Sections that aiortc cannot take are hidden from it, and rejected in the answer; the others stay as they are."""

from __future__ import annotations

import re

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


def test_the_answer_leaves_what_was_hidden_inactive() -> None:
    filtered = refuse_undecodable(OFFER, 8)
    answer = filtered.answer(filtered.sdp)
    assert [line for line in answer.splitlines() if line.startswith(("m=", "a=rtpmap", "a=sctp", "a=inactive"))] == [
        "m=video 9 UDP/TLS/RTP/SAVPF 100",
        "a=rtpmap:100 VP8/90000",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111",
        "a=rtpmap:111 opus/48000/2",
        "a=inactive",
        "m=video 9 UDP/TLS/RTP/SAVPF 100",
        "a=rtpmap:100 VP9/90000",
        "a=inactive",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "a=sctp-port:5000",
        "a=inactive",
    ]
    assert answer.count("a=mid:") == answer.count("a=ice-pwd:") == 4


def test_more_sections_than_allowed_are_an_error() -> None:
    with pytest.raises(ValueError, match="more than 3"):
        refuse_undecodable(OFFER, 3)


def test_a_section_without_a_name_is_an_error() -> None:
    with pytest.raises(ValueError, match="a=mid"):
        refuse_undecodable(SESSION + AUDIO.replace("a=mid:1\r\n", ""), 8)
    decodable = "m=video 9 UDP/TLS/RTP/SAVPF 100\r\na=rtpmap:100 VP8/90000\r\n"
    with pytest.raises(ValueError, match="a=mid"):
        refuse_undecodable(SESSION + decodable, 8)


@given(st.lists(st.sampled_from(OFFER.splitlines()) | st.text(max_size=30), max_size=40))
def test_any_text_is_an_offer_or_a_value_error(lines: list[str]) -> None:
    offer = "\r\n".join(lines)
    try:
        filtered = refuse_undecodable(offer, 8)
    except ValueError as error:
        assert re.search("media section", str(error))
    else:
        for text in (filtered.sdp, filtered.answer(filtered.sdp)):
            assert len(media_lines(text)) == len(media_lines(offer))
        assert all(line.startswith("m=video ") for line in media_lines(filtered.sdp))


def media_lines(sdp: str) -> list[str]:
    return [line for line in sdp.splitlines() if line.startswith("m=")]
