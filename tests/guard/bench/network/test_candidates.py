"""Candidates are rewritten, and nothing else."""

from __future__ import annotations

import pytest
from aiortc.sdp import SessionDescription

from guard.bench.network.candidates import redirect_candidates, without_candidates
from guard.errors import SignallingError

HEAD = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=video 40001 UDP/TLS/RTP/SAVPF 97\r\nc=IN IP4 192.0.2.7\r\n"
TAIL = "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=rtpmap:97 VP8/90000\r\n"
TCP = "a=candidate:1 1 tcp 2130706431 127.0.0.1 9 typ host tcptype active\r\n"
FAR = "a=candidate:2 1 udp 2130706431 192.0.2.7 40001 typ host\r\n"
NEAR = "a=candidate:3 1 udp 2130706430 127.0.0.1 40002 typ host\r\n"
END = "a=end-of-candidates\r\n"


def test_an_offer_loses_its_candidates_and_nothing_else() -> None:
    assert without_candidates(HEAD + TCP + FAR + NEAR + TAIL + END) == HEAD + TAIL
    assert without_candidates(HEAD + TAIL) == HEAD + TAIL


def test_an_answer_keeps_one_candidate_the_relay() -> None:
    answer, target = redirect_candidates(HEAD + TCP + FAR + NEAR + NEAR + TAIL + END, ("127.0.0.1", 5))
    assert target == ("127.0.0.1", 40002)
    assert answer == HEAD + NEAR.replace("40002", "5") + TAIL + END
    [candidate] = SessionDescription.parse(answer).media[0].ice_candidates
    assert (candidate.ip, candidate.port) == ("127.0.0.1", 5)


@pytest.mark.parametrize(
    "candidates",
    [
        "",
        TCP,
        FAR,
        "a=candidate:3 1 udp 1 127.0.0.1\r\n",
        NEAR.replace("40002", "x"),
        NEAR.replace("40002", "0"),
        NEAR.replace("40002", "65536"),
        NEAR.replace("127.0.0.1", "abc.local"),
    ],
)
def test_an_answer_without_an_address_on_this_machine_is_refused(candidates: str) -> None:
    with pytest.raises(SignallingError, match=r"calls\.loopback"):
        redirect_candidates(HEAD + candidates + TAIL, ("127.0.0.1", 5))
