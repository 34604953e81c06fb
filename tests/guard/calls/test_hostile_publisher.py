"""A publisher with valid keys that sends what it likes: the sink stays bounded and can always be closed."""

from __future__ import annotations

import random
from contextlib import suppress

import pylibsrtp
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import VideoStreamTrack

from guard.calls.receiver_tap import MAX_SSRCS
from tests.guard.calls.connected_publisher import ConnectedPublisher
from tests.whip_endpoint import until

REMOTE_STREAMS = "_RTCRtpReceiver__remote_streams"
BOMB = b"\x10\x00\x00\x9d\x01\x2a\xff\x3f\xff\x3f" + bytes(20)


async def test_a_flood_of_ssrcs_stays_bounded(eve: ConnectedPublisher) -> None:
    """aiortc reports on every SSRC it ever saw: from about 57 on the report kills its RTCP task and `close()` hangs."""
    receiver = eve.receiver
    for ssrc in range(1, 400):
        await eve.send_rtp(ssrc, ssrc, ssrc * 3000, b"\x10" + bytes(30))
    await until(lambda: len(receiver.transport._rtp_router.ssrc_table) >= MAX_SSRCS)
    assert len(getattr(receiver, REMOTE_STREAMS)) <= MAX_SSRCS


async def test_a_resolution_bomb_ends_its_sender_undecoded(eve: ConnectedPublisher) -> None:
    # Far ahead, so that aiortc starts over with these packets; a frame leaves its buffer when the next begins.
    for index in range(3):
        await eve.send_rtp(eve.ssrc, 40_000 + index, 900_000_000 + index * 3000, b"\x10" + BOMB)
    await until(lambda: len(eve.sink) == 0)
    assert eve.listener.reasons == ["the video is larger than this guard accepts"]


async def test_junk_over_the_authenticated_transport_hurts_only_its_sender(eve: ConnectedPublisher) -> None:
    rng = random.Random(7)
    for _ in range(600):
        # libsrtp itself refuses to send what it cannot parse.
        with suppress(pylibsrtp.Error):
            await _send_junk(eve, rng)

    # Somebody else is received as ever, and the flooder can be thrown out.
    honest = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    honest.addTransceiver(VideoStreamTrack(), direction="sendonly")
    await honest.setLocalDescription()
    _, answer = await eve.sink.accept("standup", "ann", honest.localDescription.sdp)
    await honest.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    await until(lambda: eve.listener.received("ann") >= 5)
    await eve.sink.close()
    await honest.close()
    assert eve.listener.of("eve") == eve.listener.of("ann") == ["joined", "left"]


async def _send_junk(eve: ConnectedPublisher, rng: random.Random) -> None:
    body = rng.randbytes(rng.randrange(0, 1200))
    kind = rng.choice(["rtcp", "rtp", "media"])
    if kind == "rtcp":
        await eve.transport._send_rtp(bytes([0x80 | rng.randrange(64), rng.randrange(200, 208)]) + body)
    elif kind == "rtp":
        await eve.transport._send_rtp(bytes([0x80 | rng.randrange(64), rng.randrange(128)]) + bytes(10) + body)
    else:
        await eve.send_rtp(eve.ssrc, rng.randrange(65536), rng.randrange(2**32), b"\x10" + body)
