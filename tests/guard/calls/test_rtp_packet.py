"""Our reading of RTP gives what aiortc's gives, and survives whatever is sent."""

from __future__ import annotations

import struct

import pytest
from aiortc.codecs.vpx import VpxPayloadDescriptor, vp8_depayload
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpReceiveParameters
from aiortc.rtp import HeaderExtensions, HeaderExtensionsMap, RtpPacket, unwrap_rtx, wrap_rtx
from hypothesis import given
from hypothesis import strategies as st

from guard.calls.rtp_packet import ReceivedPacket, read_rtp, unwrap_retransmission, vp8_data

SEND_TIME_ID = 3
_URIS = {
    1: "urn:ietf:params:rtp-hdrext:sdes:mid",
    SEND_TIME_ID: "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    5: "urn:ietf:params:rtp-hdrext:toffset",
}


def extensions_map() -> HeaderExtensionsMap:
    made = HeaderExtensionsMap()
    wanted = [RTCRtpHeaderExtensionParameters(id=number, uri=uri) for number, uri in _URIS.items()]
    made.configure(RTCRtpReceiveParameters(headerExtensions=wanted))
    return made


MAP = extensions_map()


def same(ours: ReceivedPacket, theirs: RtpPacket) -> None:
    assert ours == (
        theirs.sequence_number,
        theirs.timestamp,
        theirs.ssrc,
        theirs.payload_type,
        bool(theirs.marker),
        theirs.payload,
        theirs.padding_size,
        theirs.extensions.abs_send_time,
    )


@given(
    numbers=st.tuples(
        st.integers(0, 127), st.booleans(), st.integers(0, 0xFFFF), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)
    ),
    payload=st.binary(max_size=40),
    csrcs=st.lists(st.integers(0, 2**32 - 1), max_size=15),
    padding=st.integers(0, 255),
    mid=st.none() | st.text("abc", min_size=1, max_size=30),
    send_time=st.none() | st.integers(0, 2**24 - 1),
)
def test_what_aiortc_writes_is_read(
    numbers: tuple[int, bool, int, int, int],
    payload: bytes,
    csrcs: list[int],
    padding: int,
    mid: str | None,
    send_time: int | None,
) -> None:
    payload_type, marker, sequence_number, timestamp, ssrc = numbers
    packet = RtpPacket(payload_type, int(marker), sequence_number, timestamp, ssrc, payload)
    packet.csrc, packet.padding_size = csrcs, padding
    packet.extensions = HeaderExtensions(mid=mid, abs_send_time=send_time)
    ours = read_rtp(packet.serialize(MAP), SEND_TIME_ID)
    same(ours, packet)
    assert read_rtp(packet.serialize(MAP), None).send_time is None


@given(data=st.binary(max_size=80), extensions=st.sampled_from([b"", b"\xbe\xde\x00\x02", b"\x10\x00\x00\x02"]))
def test_whatever_comes_is_read_alike_or_refused(data: bytes, extensions: bytes) -> None:
    if extensions:
        data = b"\x90" + data[1:12].ljust(11, b"\0") + extensions + data[12:]
    try:
        ours = read_rtp(data, SEND_TIME_ID)
    except ValueError:
        with pytest.raises((ValueError, struct.error)):
            RtpPacket.parse(data, MAP)
        return
    try:
        theirs = RtpPacket.parse(data, MAP)
    except (ValueError, struct.error):
        return  # aiortc trips over extensions that are never read here
    same(ours, theirs)


@given(data=st.binary(max_size=12))
def test_vp8_descriptors_are_cut_off_alike(data: bytes) -> None:
    try:
        theirs = vp8_depayload(data)
    except ValueError:
        with pytest.raises(ValueError, match="VP8"):
            vp8_data(data)
        return
    assert vp8_data(data) == theirs


def test_a_full_descriptor_is_cut_off() -> None:
    descriptor = VpxPayloadDescriptor(1, 0, picture_id=1000, tl0picidx=3, tid=(1, 1), keyidx=4)
    assert vp8_data(bytes(descriptor) + b"frame") == b"frame"


def test_a_retransmission_brings_the_packet_again() -> None:
    lost = RtpPacket(97, 1, 65_535, 3000, 11, b"payload")
    again = wrap_rtx(lost, payload_type=98, sequence_number=5, ssrc=12)
    ours = unwrap_retransmission(read_rtp(again.serialize(MAP), None), 97, 11)
    same(ours, unwrap_rtx(again, payload_type=97, ssrc=11))
    with pytest.raises(ValueError, match="nothing"):
        unwrap_retransmission(ours._replace(payload=b"\0"), 97, 11)
