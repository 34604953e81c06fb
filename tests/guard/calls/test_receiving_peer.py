"""One connection with the video of several people, who come and go by renegotiation, as an SFU sends it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpTransceiver, RTCSessionDescription

from guard.calls.offer import check_offer, declared_ssrcs, sending_videos
from guard.calls.receiving_peer import RECEIVER_OF_TRANSCEIVER, ReceivingPeer
from guard.config import CallsConfig
from guard.errors import SignallingError
from tests.whep_server import NumberedTrack
from tests.whip_endpoint import Recorder, number_of, until

ANN, BEN, CAT = 1000, 2000, 3000


class Sfu:
    """The sending side of one connection to a `ReceivingPeer`."""

    def __init__(self, **settings: object) -> None:
        self.listener = Recorder()
        self.ended: list[tuple[str, str]] = []
        self.peer = ReceivingPeer(
            "standup",
            CallsConfig.model_validate({"loopback": True, **settings}),
            self.listener,
            multistream=True,
            on_stream_ended=lambda _mid, participant, why: self.ended.append((participant, why)),
        )
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))

    def send(self, first: int, width: int = 320) -> RTCRtpTransceiver:
        return self.connection.addTransceiver(NumberedTrack(first, width), direction="sendonly")

    async def negotiate(self, mangle: Callable[[str], str] = str, **participants: str) -> None:
        """Offer everything that is sent now; `participants` names the people by mid: m0="ann"."""
        await self.connection.setLocalDescription()
        offer = mangle(self.connection.localDescription.sdp)
        check_offer(offer, 65_536, must_send=False)
        by_mid = {mid.removeprefix("m"): participant for mid, participant in participants.items()}
        answer = await self.peer.answer(offer, by_mid)
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def more_from(self, *participants: str) -> None:
        """Wait until five further frames of each of them came, and take those."""
        for participant in participants:
            await until(lambda who=participant: self.listener.received(who) > 0)  # type: ignore[misc]
            self.listener.take(participant)
            seen = self.listener.received(participant)
            await until(lambda who=participant, seen=seen: self.listener.received(who) >= seen + 5)  # type: ignore[misc]

    def thousands(self, participant: str) -> set[int | None]:
        """Whose pictures wait in the queue of one participant."""
        numbers = [number_of(frame) for frame in self.listener.take(participant)]
        return {None if number is None else number // 1000 * 1000 for number in numbers}

    async def close(self) -> None:
        await self.peer.end("over")
        await self.connection.close()


@pytest.fixture
async def sfu() -> AsyncIterator[Sfu]:
    running = Sfu(max_width_px=640, max_height_px=480)
    yield running
    await running.close()


async def test_everybody_is_received_under_their_own_name(sfu: Sfu) -> None:
    sfu.send(ANN)
    sfu.send(BEN)
    await sfu.negotiate(m0="ann", m1="ben")
    await sfu.more_from("ann", "ben")
    assert sfu.thousands("ann") == {ANN}
    assert sfu.thousands("ben") == {BEN}
    assert sorted(sfu.peer.streams) == ["0", "1"]
    await sfu.close()
    assert sfu.listener.of("ann") == sfu.listener.of("ben") == ["joined", "left"]
    assert sfu.listener.reasons == ["over", "over"]


async def test_one_comes_one_leaves_and_the_section_is_used_again(sfu: Sfu) -> None:
    ann = sfu.send(ANN)
    await sfu.negotiate(m0="ann")
    await sfu.more_from("ann")

    sfu.send(BEN)
    await sfu.negotiate(m0="ann", m1="ben")
    await sfu.more_from("ann", "ben")
    assert sfu.listener.events == [("joined", "standup", "ann"), ("joined", "standup", "ben")]

    ann.direction = "inactive"
    await sfu.negotiate(m1="ben")
    await sfu.more_from("ben")
    assert sfu.listener.of("ann") == ["joined", "left"]
    assert sfu.ended == [("ann", "the participant left")]

    ann.sender.replaceTrack(NumberedTrack(CAT))
    ann.direction = "sendonly"
    await sfu.negotiate(m0="cat", m1="ben")
    await sfu.more_from("cat", "ben")
    assert sfu.thousands("cat") == {CAT}
    assert sfu.thousands("ben") == {BEN}
    assert sfu.listener.of("ben") == ["joined"]


async def test_a_section_that_changes_hands_changes_name(sfu: Sfu) -> None:
    ann = sfu.send(ANN)
    await sfu.negotiate(m0="ann")
    await sfu.more_from("ann")
    ann.sender.replaceTrack(NumberedTrack(CAT))
    await sfu.negotiate(m0="cat")
    await sfu.more_from("cat")
    assert sfu.listener.of("ann") == ["joined", "left"]
    # Pictures of the one before may still be under way when the name changes; the newest are the new one's.
    await sfu.more_from("cat")
    assert sfu.thousands("cat") == {CAT}


async def test_an_ended_stream_never_turns_up_with_somebody_else(sfu: Sfu) -> None:
    """aiortc gives an unknown SSRC to whoever is the only one left with its payload type."""
    sfu.send(ANN)
    sfu.send(BEN)
    await sfu.negotiate(m0="ann", m1="ben")
    await sfu.more_from("ann", "ben")
    await sfu.peer.end_stream("0", "thrown out")
    await sfu.more_from("ben")
    await sfu.more_from("ben")
    assert sfu.thousands("ben") == {BEN}
    assert sfu.ended == [("ann", "thrown out")]
    assert sfu.listener.of("ann") == ["joined", "left"]
    assert not sfu.peer.is_ending


async def test_an_oversize_picture_costs_only_its_own_stream(sfu: Sfu) -> None:
    sfu.send(ANN)
    sfu.send(BEN, width=960)
    await sfu.negotiate(m0="ann", m1="ben")
    await until(lambda: sfu.ended != [])
    assert sfu.ended == [("ben", "the video is larger than this guard accepts")]
    await sfu.more_from("ann")
    assert sfu.listener.received("ben") == 0


async def test_nobody_is_named(sfu: Sfu) -> None:
    sfu.send(ANN)
    sfu.send(BEN)
    await sfu.negotiate(m1="ben")
    await sfu.more_from("ben")
    assert sfu.thousands("ben") == {BEN}
    await sfu.negotiate()
    assert sfu.listener.of("ben") == ["joined", "left"]
    assert sfu.listener.queues.keys() == {("standup", "ben")}
    assert not sfu.peer.is_ending


async def test_a_connection_that_stood_before_anybody_could_be_received_receives_the_first_who_can(sfu: Sfu) -> None:
    """Who publishes in a codec that nobody decodes, and comes first, must not keep the guard from the others."""
    sfu.send(ANN)
    await sfu.negotiate()
    await until(lambda: sfu.peer.is_connected)
    sfu.send(BEN)
    await sfu.negotiate(m1="ben")
    await sfu.more_from("ben")
    assert sfu.thousands("ben") == {BEN}
    assert sfu.listener.queues.keys() == {("standup", "ben")}


@pytest.mark.parametrize(
    "mangle",
    [
        lambda offer: re.sub(r"a=ssrc.*\r\n", "", offer),
        lambda offer: re.sub(r"(a=ssrc:)\d+|(a=ssrc-group:FID )\d+", r"\g<1>\g<2>77", offer),
    ],
    ids=["no-ssrc", "one-ssrc-twice"],
)
async def test_sections_that_cannot_be_told_apart_are_refused(sfu: Sfu, mangle: Callable[[str], str]) -> None:
    sfu.send(ANN)
    sfu.send(BEN)
    with pytest.raises(SignallingError, match="cannot be accepted"):
        await sfu.negotiate(mangle, m0="ann", m1="ben")


async def test_a_name_for_a_section_that_sends_nothing_is_refused(sfu: Sfu) -> None:
    sfu.send(ANN).direction = "inactive"
    with pytest.raises(SignallingError, match="cannot be accepted"):
        await sfu.negotiate(m0="ann")


async def test_retransmissions_have_a_route(sfu: Sfu) -> None:
    sfu.send(ANN)
    sfu.send(BEN)
    await sfu.negotiate(m0="ann", m1="ben")
    declared = declared_ssrcs(sfu.connection.localDescription.sdp)
    assert sending_videos(sfu.connection.localDescription.sdp) == ["0", "1"] == sorted(declared)
    for mid, ssrcs in declared.items():
        receiver = sfu.peer.streams[mid].receiver
        assert len(ssrcs) == 2
        assert {receiver.transport._rtp_router.ssrc_table[ssrc] for ssrc in ssrcs} == {receiver}


async def test_the_receiver_of_a_transceiver_can_be_replaced() -> None:
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    transceiver = connection.addTransceiver("video", direction="recvonly")
    assert getattr(transceiver, RECEIVER_OF_TRANSCEIVER) is transceiver.receiver
    assert transceiver.receiver._enabled
    await connection.close()
