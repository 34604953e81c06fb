"""A publisher with valid keys who sends nothing but what a campaign tells it to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pylibsrtp
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import MediaStreamTrack
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtp import HeaderExtensionsMap, RtpPacket

from guard.calls.bounded_close import close_within
from guard.calls.ice_hardening import install_loopback_candidates
from guard.calls.whip_client import end_session, post_offer
from tests.hostile.campaign import Target

_CONNECT_SECONDS = 20.0
_CLOSE_SECONDS = 3.0


class _SilentTrack(MediaStreamTrack):
    kind = "video"

    async def recv(self) -> None:  # type: ignore[override]
        await asyncio.Event().wait()


@dataclass(slots=True)
class HostilePeer:
    """A connected publisher."""

    connection: RTCPeerConnection
    sequence_number: int = 1
    timestamp: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def transport(self) -> RTCDtlsTransport:
        return self.connection.getSenders()[0].transport

    @property
    def ssrc(self) -> int:
        return self.connection.getSenders()[0]._ssrc

    @property
    def payload_type(self) -> int:
        payload_type = self.connection.getTransceivers()[0]._codecs[0].payloadType
        assert payload_type is not None
        return payload_type

    async def send(self, datagram: bytes) -> str:
        """Encrypt and send; says what became of it on this side."""
        try:
            await self.transport._send_rtp(datagram)
        except pylibsrtp.Error:
            return "refused by our own libsrtp"
        except ConnectionError:
            return "not sent: the guard has ended the connection"
        return "sent"

    async def send_payload(self, payload: bytes, *, marker: bool, ssrc: int | None = None) -> str:
        """Send the next packet of the stream that was announced, or of another SSRC."""
        packet = RtpPacket(self.payload_type, int(marker), self.sequence_number % 65_536, self.timestamp % (1 << 32))
        packet.ssrc, packet.payload = self.ssrc if ssrc is None else ssrc, payload
        self.sequence_number += 1
        return await self.send(packet.serialize(HeaderExtensionsMap()))


@asynccontextmanager
async def hostile_peer(
    target: Target, participant: str, codec: str = "VP8", alter: Callable[[str], str] = str
) -> AsyncIterator[HostilePeer]:
    """Connect with an offer that `alter` may change; whether it comes up is for the campaign to see."""
    install_loopback_candidates()
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    transceiver = connection.addTransceiver(_SilentTrack(), direction="sendonly")
    capabilities = RTCRtpSender.getCapabilities("video")
    assert capabilities is not None
    transceiver.setCodecPreferences([known for known in capabilities.codecs if known.mimeType == f"video/{codec}"])
    peer = HostilePeer(connection)
    settled = asyncio.Event()

    @connection.on("connectionstatechange")
    def follow() -> None:
        if connection.connectionState in ("failed", "closed"):
            peer.ended.set()
        if connection.connectionState in ("connected", "failed", "closed"):
            settled.set()

    session = ""
    try:
        await connection.setLocalDescription()
        session, answer = await asyncio.to_thread(
            post_offer,
            target.guard.whip_url("hostile", participant),
            target.guard.join_token,
            alter(connection.localDescription.sdp),
        )
        await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        async with asyncio.timeout(_CONNECT_SECONDS):
            await settled.wait()
        yield peer
    finally:
        if session:
            await asyncio.to_thread(end_session, session, target.guard.join_token)
        await close_within(connection, _CLOSE_SECONDS)
