"""Offers: what is refused, with which status, in one line that does not repeat the offer."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.calls.offer import check_offer
from guard.errors import SignallingError

MAX_BYTES = 65_536

OFFER = """v=0
o=- 1 1 IN IP4 0.0.0.0
s=-
t=0 0
a=group:BUNDLE 0
m=video 9 UDP/TLS/RTP/SAVPF 97 98 99
c=IN IP4 0.0.0.0
a=sendonly
a=mid:0
a=rtcp:9 IN IP4 0.0.0.0
a=rtcp-mux
a=ssrc:1234 cname:x
a=rtpmap:97 VP8/90000
a=rtpmap:98 rtx/90000
a=fmtp:98 apt=97
a=rtpmap:99 H264/90000
a=fmtp:99 packetization-mode=1;profile-level-id=42e01f
a=candidate:1 1 udp 2130706431 192.0.2.77 5000 typ host
a=end-of-candidates
a=ice-ufrag:abcd
a=ice-pwd:abcdefghijklmnopqrstuv
a=fingerprint:sha-256 AA:BB
a=setup:actpass
""".replace("\n", "\r\n")


def without(pattern: str) -> Callable[[str], str]:
    return lambda offer: re.sub(pattern + r".*\r\n", "", offer)


def swap(old: str, new: str) -> Callable[[str], str]:
    return lambda offer: offer.replace(old, new)


def section(kind: str) -> Callable[[str], str]:
    return lambda offer: offer + offer[offer.index("m=video") :].replace("m=video", f"m={kind}").replace(":0", ":1")


def test_the_model_offer_passes() -> None:
    check_offer(OFFER, MAX_BYTES)


async def test_an_offer_of_aiortc_passes() -> None:
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    connection.addTransceiver("video", direction="sendonly")
    connection.addTransceiver("audio", direction="sendonly")
    offer = await connection.createOffer()
    check_offer(offer.sdp, MAX_BYTES)
    await connection.close()


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda _: "", 400),  # empty
        (lambda _: "hello", 400),  # no SDP at all
        (lambda _: "{}", 400),  # JSON, as some home-made servers take
        (lambda _: "v=0\r\n", 422),  # SDP without any media
        (lambda _: "v=0\r\nm=video\r\n", 400),  # media line cut short
        (lambda _: "v=0\r\n" + "a=x\r\n" * 3000, 400),  # too many lines
        (lambda _: "v=0\r\na=" + "x" * 5000, 400),  # a line too long
        (lambda offer: offer + "a=x\r\n" * 20_000, 413),  # too many bytes
        (swap("v=0", "v=zero"), 400),  # not our version
        (swap("97 98 99", "97 98 none"), 400),  # payload type that is no number
        (swap("97 98 99", "97 98 999"), 400),  # payload type out of range
        (swap("97 98 99", "72"), 400),  # payload type that is kept for RTCP
        (swap("a=fmtp:98", "a=fmtp:55"), 400),  # parameters of a codec that does not exist
        (swap("actpass", "sideways"), 400),  # unknown DTLS role
        (swap("typ host", "typ"), 400),  # cut candidate
        (swap("udp 2130706431", "udp x"), 400),  # candidate priority that is no number
        (swap("sha-256 AA:BB", "sha-256"), 400),  # fingerprint without value
        (without("a=fingerprint"), 400),  # none at all
        (without("a=setup"), 400),  # no DTLS role
        (without("a=ice-ufrag"), 400),  # no ICE user
        (without("a=ice-pwd"), 400),  # no ICE password
        (without("a=mid"), 400),  # no name for the section
        (without("a=rtcp-mux"), 422),  # RTCP on a port of its own
        (swap("a=sendonly", "a=recvonly"), 422),  # a viewer, not a publisher
        (without("a=sendonly"), 422),  # no direction
        (swap("m=video", "m=audio"), 422),  # audio only
        (section("text"), 422),  # a kind that aiortc does not know
        (section("application"), 422),  # a data channel
        (lambda offer: offer + 9 * ("m" + offer.split("\r\nm", 1)[1]), 422),  # ten sections
        (swap("a=end-of-candidates", "a=candidate:1 1 udp 1 192.0.2.9 9 typ host\r\n" * 80), 422),  # reflection
        (lambda offer: offer.replace("VP8", "VP9").replace("H264", "AV1"), 406),  # nothing that is decoded here
        (lambda offer: offer.replace("VP8", "VP9").replace("mode=1", "mode=0"), 406),  # H264 in the other packing
    ],
)
def test_bad_offers_are_refused(change: Callable[[str], str], status: int) -> None:
    with pytest.raises(SignallingError) as refusal:
        check_offer(change(OFFER), MAX_BYTES)
    assert refusal.value.status == status
    text = str(refusal.value)
    assert "\n" not in text
    assert len(text) < 200
    assert "192.0.2" not in text


def test_the_reason_names_the_codecs_that_were_offered() -> None:
    with pytest.raises(SignallingError, match="only AV1, VP9"):
        check_offer(OFFER.replace("VP8", "VP9").replace("H264", "AV1"), MAX_BYTES)


def test_a_name_of_a_codec_that_could_be_anything_is_not_repeated() -> None:
    with pytest.raises(SignallingError, match=r"only others$"):
        check_offer(OFFER.replace("VP8", "A" * 500).replace("H264", "\u0663\u202e"), MAX_BYTES)


def test_a_parameter_of_a_codec_without_its_value_is_malformed() -> None:
    with pytest.raises(SignallingError, match="malformed") as refused:
        check_offer(OFFER.replace("packetization-mode=1", "packetization-mode"), MAX_BYTES)
    assert refused.value.status == 400


@given(
    line=st.integers(0, OFFER.count("\r\n") - 1),
    cut=st.integers(0, 80),
    inserted=st.text(st.characters(codec="utf-8"), max_size=40),
)
@settings(max_examples=300, deadline=None)
def test_any_damage_is_a_refusal_or_passes_but_never_another_error(line: int, cut: int, inserted: str) -> None:
    lines = OFFER.split("\r\n")
    lines[line] = lines[line][:cut] + inserted + lines[line][cut + 1 :]
    try:
        check_offer("\r\n".join(lines), MAX_BYTES)
    except SignallingError as refusal:
        assert refusal.status in (400, 406, 413, 422)
