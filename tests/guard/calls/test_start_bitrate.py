"""The hint stands once with every codec of ours, whether it has parameters already or not."""

from __future__ import annotations

from guard.calls.receiving_peer import ReceivingPeer
from guard.calls.start_bitrate import START_BITRATE_KBPS, with_start_bitrate
from guard.config import CallsConfig
from tests.whip_endpoint import Recorder

SDP = (
    "m=video 9 UDP/TLS/RTP/SAVPF 97 98 99\r\na=rtpmap:97 VP8/90000\r\na=rtcp-fb:97 nack\r\n"
    "a=rtpmap:98 rtx/90000\r\na=fmtp:98 apt=97\r\na=rtpmap:99 H264/90000\r\na=fmtp:99 packetization-mode=1\r\n"
)


def test_every_codec_gets_the_hint_and_nothing_else_does() -> None:
    assert with_start_bitrate(SDP, 700) == (
        "m=video 9 UDP/TLS/RTP/SAVPF 97 98 99\r\na=rtpmap:97 VP8/90000\r\na=fmtp:97 x-google-start-bitrate=700\r\n"
        "a=rtcp-fb:97 nack\r\na=rtpmap:98 rtx/90000\r\na=fmtp:98 apt=97\r\na=rtpmap:99 H264/90000\r\n"
        "a=fmtp:99 packetization-mode=1;x-google-start-bitrate=700\r\n"
    )


async def test_an_own_offer_has_it_too() -> None:
    peer = ReceivingPeer("standup", CallsConfig(loopback=True), Recorder())
    try:
        offer = await peer.offer()
    finally:
        await peer.end("done")
    assert offer.count(f"x-google-start-bitrate={START_BITRATE_KBPS}") == offer.count("VP8/") + offer.count("H264/") > 0
