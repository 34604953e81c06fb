"""A publisher that is connected to a sink, both in this process: a test reaches into either end of the connection."""

from __future__ import annotations

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import VideoStreamTrack
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcrtpreceiver import RTCRtpReceiver
from aiortc.rtp import RtpPacket

from guard.calls.receiver_tap import JITTER_BUFFER, ReceiverTap
from guard.calls.whip_sink import WhipSink
from guard.config import CallsConfig
from tests.whip_endpoint import Recorder, peer_of, until


class ConnectedPublisher:
    """Publishes as "eve"; what else goes over its transport is the test's affair."""

    def __init__(self) -> None:
        self.listener = Recorder()
        self.sink = WhipSink(CallsConfig(loopback=True), self.listener)
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))

    async def connect(self) -> None:
        self.peer.addTransceiver(VideoStreamTrack(), direction="sendonly")
        await self.peer.setLocalDescription()
        _, answer = await self.sink.accept("standup", "eve", self.peer.localDescription.sdp)
        await self.peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await until(lambda: self.listener.received("eve") > 0)

    async def close(self) -> None:
        await self.sink.close()
        await self.peer.close()

    async def send_rtp(self, ssrc: int, sequence_number: int, timestamp: int, payload: bytes) -> None:
        packet = RtpPacket(self.payload_type, 1, sequence_number, timestamp, ssrc)
        packet.payload = payload
        await self.transport._send_rtp(packet.serialize())

    async def goes_on(self) -> bool:
        """Whether pictures still come."""
        seen = self.listener.received("eve")
        await until(lambda: self.listener.received("eve") >= seen + 5)
        return self.listener.of("eve") == ["joined"]

    @property
    def transport(self) -> RTCDtlsTransport:
        return self.peer.getSenders()[0].transport

    @property
    def ssrc(self) -> int:
        return self.peer.getSenders()[0]._ssrc

    @property
    def payload_type(self) -> int:
        [transceiver] = self.peer.getTransceivers()
        payload_type = transceiver._codecs[0].payloadType
        assert payload_type is not None
        return payload_type

    def extension_id(self, uri: str) -> int:
        [transceiver] = self.peer.getTransceivers()
        return next(extension.id for extension in transceiver._headerExtensions if extension.uri == uri)

    @property
    def received_over(self) -> RTCPeerConnection:
        """The sink's end."""
        [session] = self.sink._sessions.values()
        return peer_of(session)._connection

    @property
    def receiver(self) -> RTCRtpReceiver:
        return self.received_over.getTransceivers()[0].receiver

    @property
    def tap(self) -> ReceiverTap:
        tap: ReceiverTap = getattr(self.receiver, JITTER_BUFFER)
        return tap
