"""A publisher with valid keys that sends what it likes: the sink stays bounded and can always be closed."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import suppress

import pylibsrtp
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import VideoStreamTrack
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtp import HeaderExtensionsMap, RtpPacket

from guard.calls.receiver_tap import MAX_SSRCS
from guard.calls.whip_sink import WhipSink
from guard.config import CallsConfig
from tests.whip_endpoint import Recorder, peer_of, until

REMOTE_STREAMS = "_RTCRtpReceiver__remote_streams"
BOMB = b"\x10\x00\x00\x9d\x01\x2a\xff\x3f\xff\x3f" + bytes(20)


class Hostile:
    """A connected publisher whose transport the test writes to."""

    def __init__(self) -> None:
        self.listener = Recorder()
        self.sink = WhipSink(CallsConfig(loopback=True), self.listener)
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.session_id = ""

    async def connect(self) -> None:
        self.peer.addTransceiver(VideoStreamTrack(), direction="sendonly")
        await self.peer.setLocalDescription()
        offer = self.peer.localDescription.sdp
        self.session_id, answer = await self.sink.accept("standup", "eve", offer)
        await self.peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await until(lambda: self.listener.received("eve") > 0)

    @property
    def transport(self) -> RTCDtlsTransport:
        return self.peer.getSenders()[0].transport

    @property
    def payload_type(self) -> int:
        [transceiver] = self.peer.getTransceivers()
        payload_type = transceiver._codecs[0].payloadType
        assert payload_type is not None
        return payload_type

    async def send_rtp(self, ssrc: int, sequence_number: int, timestamp: int, payload: bytes) -> None:
        packet = RtpPacket(
            payload_type=self.payload_type, marker=1, sequence_number=sequence_number, timestamp=timestamp
        )
        packet.ssrc = ssrc
        packet.payload = payload
        await self.transport._send_rtp(packet.serialize(HeaderExtensionsMap()))


@pytest.fixture
async def hostile() -> AsyncIterator[Hostile]:
    eve = Hostile()
    await eve.connect()
    yield eve
    await eve.sink.close()
    await eve.peer.close()


async def test_a_flood_of_ssrcs_stays_bounded(hostile: Hostile) -> None:
    """aiortc reports on every SSRC it ever saw: from about 57 on the report kills its RTCP task and `close()` hangs."""
    [session] = hostile.sink._sessions.values()
    receiver = peer_of(session)._connection.getTransceivers()[0].receiver
    for ssrc in range(1, 400):
        await hostile.send_rtp(ssrc, ssrc, ssrc * 3000, b"\x10" + bytes(30))
    await until(lambda: len(receiver.transport._rtp_router.ssrc_table) >= MAX_SSRCS)
    assert len(getattr(receiver, REMOTE_STREAMS)) <= MAX_SSRCS


async def test_a_resolution_bomb_ends_its_sender_undecoded(hostile: Hostile) -> None:
    ssrc = hostile.peer.getSenders()[0]._ssrc
    # Far ahead, so that aiortc starts over with these packets; a frame leaves its buffer when the next begins.
    for index in range(3):
        await hostile.send_rtp(ssrc, 40_000 + index, 900_000_000 + index * 3000, b"\x10" + BOMB)
    await until(lambda: len(hostile.sink) == 0)
    assert hostile.listener.reasons == ["the video is larger than this guard accepts"]


async def test_junk_over_the_authenticated_transport_hurts_only_its_sender(hostile: Hostile) -> None:
    rng = random.Random(7)
    for _ in range(600):
        # libsrtp itself refuses to send what it cannot parse.
        with suppress(pylibsrtp.Error):
            await _send_junk(hostile, rng)

    # Somebody else is received as ever, and the flooder can be thrown out.
    honest = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    honest.addTransceiver(VideoStreamTrack(), direction="sendonly")
    await honest.setLocalDescription()
    _, answer = await hostile.sink.accept("standup", "ann", honest.localDescription.sdp)
    await honest.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    await until(lambda: hostile.listener.received("ann") >= 5)
    await hostile.sink.close()
    await honest.close()
    assert hostile.listener.of("eve") == hostile.listener.of("ann") == ["joined", "left"]


async def _send_junk(hostile: Hostile, rng: random.Random) -> None:
    body = rng.randbytes(rng.randrange(0, 1200))
    kind = rng.choice(["rtcp", "rtp", "media"])
    if kind == "rtcp":
        await hostile.transport._send_rtp(bytes([0x80 | rng.randrange(64), rng.randrange(200, 208)]) + body)
    elif kind == "rtp":
        await hostile.transport._send_rtp(bytes([0x80 | rng.randrange(64), rng.randrange(128)]) + bytes(10) + body)
    else:
        ssrc = hostile.peer.getSenders()[0]._ssrc
        await hostile.send_rtp(ssrc, rng.randrange(65536), rng.randrange(2**32), b"\x10" + body)
