"""Every way in which a publisher can come and go: one `left` per join, nothing hangs, the seat is free again."""

from __future__ import annotations

import asyncio
import itertools
import re
import socket
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest
from aioice import ice
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import VideoStreamTrack
from av import VideoFrame

from guard.calls import receiving_peer
from guard.calls.encoded_stream import AdmittedFrame
from guard.calls.publisher import WhipPublisher
from guard.calls.receiver_tap import JITTER_BUFFER
from guard.calls.whip_sink import WhipSink
from guard.config import CallsConfig
from guard.errors import SignallingError
from tests.whip_endpoint import TOKEN, Endpoint, Recorder, number_of, numbered_frames, peer_of, until


class Call:
    """A sink and raw aiortc peers that talk to it without HTTP."""

    def __init__(self, **settings: object) -> None:
        self.listener = Recorder()
        self.sink = WhipSink(CallsConfig.model_validate({"loopback": True, **settings}), self.listener)
        self.peers: list[RTCPeerConnection] = []
        self.answer = ""

    async def offer(self) -> RTCPeerConnection:
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.peers.append(peer)
        peer.addTransceiver(VideoStreamTrack(), direction="sendonly")
        await peer.setLocalDescription()
        return peer

    async def accept(self, peer: RTCPeerConnection, mangle: Callable[[str], str] = str, name: str = "ann") -> str:
        session_id, self.answer = await self.sink.accept("standup", name, mangle(peer.localDescription.sdp))
        return session_id

    async def connect(self, peer: RTCPeerConnection) -> None:
        await peer.setRemoteDescription(RTCSessionDescription(self.answer, "answer"))

    async def close(self) -> None:
        await self.sink.close()
        await asyncio.gather(*(peer.close() for peer in self.peers))


@pytest.fixture
async def make_call() -> AsyncIterator[Callable[..., Call]]:
    calls: list[Call] = []

    def make(**settings: object) -> Call:
        calls.append(Call(**settings))
        return calls[-1]

    yield make
    for call in calls:
        await call.close()


async def test_delete_before_the_connection_stands(make_call: Callable[..., Call]) -> None:
    call = make_call()
    session_id = await call.accept(await call.offer())
    await call.sink.end("standup", "ann", session_id)
    assert call.listener.events == []
    assert len(call.sink) == 0


async def test_two_deletes_at_once_end_it_once(make_call: Callable[..., Call]) -> None:
    call = make_call()
    peer = await call.offer()
    session_id = await call.accept(peer)
    await call.connect(peer)
    await until(lambda: call.listener.received("ann") > 0)
    await asyncio.gather(*(call.sink.end("standup", "ann", session_id) for _ in range(2)))
    assert call.listener.of("ann") == ["joined", "left"]
    with pytest.raises(SignallingError, match="no such session"):
        await call.sink.end("standup", "ann", session_id)


async def test_a_wrong_session_id_ends_nothing(make_call: Callable[..., Call]) -> None:
    call = make_call()
    await call.accept(await call.offer())
    with pytest.raises(SignallingError, match="no such session"):
        await call.sink.end("standup", "ann", "guess")
    assert len(call.sink) == 1


async def test_a_wrong_fingerprint_never_joins(make_call: Callable[..., Call]) -> None:
    call = make_call()
    peer = await call.offer()

    def forge(offer: str) -> str:
        return re.sub(r"(a=fingerprint:\S+ )\S\S", r"\g<1>00", offer)

    assert forge(peer.localDescription.sdp) != peer.localDescription.sdp
    await call.accept(peer, forge)
    await call.connect(peer)
    await until(lambda: len(call.sink) == 0)
    assert call.listener.events == []


async def test_nobody_connects_in_time(make_call: Callable[..., Call], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving_peer, "SETUP_SECONDS", 0.05)
    call = make_call()
    await call.accept(await call.offer())
    assert len(call.sink) == 1
    await until(lambda: len(call.sink) == 0)
    assert call.listener.events == []


async def test_the_peer_closes(make_call: Callable[..., Call]) -> None:
    call = make_call()
    peer = await call.offer()
    await call.accept(peer)
    await call.connect(peer)
    await until(lambda: call.listener.received("ann") > 0)
    await peer.close()
    await until(lambda: len(call.sink) == 0)
    assert call.listener.of("ann") == ["joined", "left"]


async def test_the_peer_says_goodbye_to_its_track_only(make_call: Callable[..., Call]) -> None:
    call = make_call()
    peer = await call.offer()
    await call.accept(peer)
    await call.connect(peer)
    await until(lambda: call.listener.received("ann") > 0)
    await peer.getSenders()[0].stop()
    await until(lambda: len(call.sink) == 0)
    assert call.listener.reasons == ["the video ended"]


async def test_the_peer_vanishes(make_call: Callable[..., Call], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ice, "CONSENT_INTERVAL", 0.02)
    monkeypatch.setattr(ice, "CONSENT_FAILURES", 2)
    call = make_call()
    peer = await call.offer()
    await call.accept(peer)
    await call.connect(peer)
    await until(lambda: call.listener.received("ann") > 0)
    # Sockets gone without a word, as when a laptop lid closes.
    await peer.getSenders()[0].transport.transport.stop()
    await until(lambda: len(call.sink) == 0)
    assert call.listener.of("ann") == ["joined", "left"]


async def test_a_connection_that_stands_without_video_is_ended(make_call: Callable[..., Call]) -> None:
    """It would hold its seat for ever: ICE and DTLS know nothing of frames."""
    call = make_call(frozen_seconds=1.5)
    peer = await call.offer()
    await call.accept(peer)
    await call.connect(peer)
    await until(lambda: call.listener.received("ann") > 0)
    peer.getSenders()[0].replaceTrack(None)
    await until(lambda: len(call.sink) == 0)
    assert call.listener.reasons == ["no video for 1.5 s"]
    assert peer.connectionState != "failed"


async def test_a_stalled_seat_is_given_to_the_one_who_comes_back(make_call: Callable[..., Call]) -> None:
    call = make_call(stalled_seconds=0.3)
    peer = await call.offer()
    await call.accept(peer)
    await call.connect(peer)
    await until(lambda: call.listener.received("ann") > 0)
    with pytest.raises(SignallingError, match="already connected"):
        await call.accept(await call.offer())

    await peer.getSenders()[0].transport.transport.stop()
    again = await call.offer()

    async def come_back() -> None:
        while True:
            try:
                await call.accept(again)
            except SignallingError:
                await asyncio.sleep(0.02)
            else:
                return

    async with asyncio.timeout(20):
        await come_back()
    assert call.listener.of("ann") == ["joined", "left"]
    await call.connect(again)
    await until(lambda: call.listener.of("ann") == ["joined", "left", "joined"])


async def test_shutting_down_ends_everybody(make_call: Callable[..., Call]) -> None:
    call = make_call()
    connected, waiting = await call.offer(), await call.offer()
    await call.accept(connected)
    await call.connect(connected)
    await call.accept(waiting, name="ben")
    await until(lambda: call.listener.received("ann") > 0)
    await call.sink.close()
    assert len(call.sink) == 0
    assert call.listener.events == [("joined", "standup", "ann"), ("left", "standup", "ann")]
    assert call.listener.reasons == ["the guard is shutting down"]


async def test_shutting_down_during_a_set_up(make_call: Callable[..., Call]) -> None:
    call = make_call()
    peer = await call.offer()
    accepting = asyncio.create_task(call.accept(peer))
    await asyncio.sleep(0)
    await call.sink.close()
    with pytest.raises(SignallingError):
        await accepting
    assert len(call.sink) == 0


async def test_a_stream_leaves_no_thread_and_no_socket_behind(make_call: Callable[..., Call]) -> None:
    call = make_call()

    async def come_and_go() -> None:
        peer = await call.offer()
        session_id = await call.accept(peer)
        await call.connect(peer)
        await until(lambda: call.listener.received("ann") > 0)
        await call.sink.end("standup", "ann", session_id)
        await peer.close()

    await come_and_go()
    descriptors = _open_descriptors()
    for _ in range(3):
        await come_and_go()
    assert not any(thread.name == "video-decoder" for thread in threading.enumerate())
    assert _open_descriptors() <= descriptors


def _open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_an_oversize_picture_ends_the_stream_before_it_is_decoded(make_call: Callable[..., Call]) -> None:
    call = make_call(max_width_px=320, max_height_px=240)
    peer = await call.offer()
    await call.accept(peer)
    await call.connect(peer)  # the stock track is 640x480
    await until(lambda: len(call.sink) == 0)
    assert call.listener.reasons == ["the video is larger than this guard accepts"]
    assert call.listener.received("ann") == 0


async def test_a_listener_that_fails_costs_only_its_own_stream(
    make_call: Callable[..., Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    call = make_call()

    def refuse(_call: str, _participant: str) -> None:
        raise RuntimeError("no slot")

    monkeypatch.setattr(call.listener, "participant_joined", refuse)
    peer = await call.offer()
    await call.accept(peer)
    await call.connect(peer)
    await until(lambda: len(call.sink) == 0)
    assert call.listener.events == []


async def test_a_close_that_hangs_is_bounded_and_frees_the_sockets(
    make_call: Callable[..., Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    call = make_call(close_seconds=0.05)
    session_id = await call.accept(await call.offer())
    [session] = call.sink._sessions.values()
    connection = peer_of(session)._connection
    stock_close = connection.close
    sockets = connection.getTransceivers()[0].receiver.transport.transport._connection._protocols
    assert sockets

    async def hang() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(connection, "close", hang)
    await call.sink.end("standup", "ann", session_id)
    assert len(call.sink) == 0
    # Not the transport's state: a connection attempt that the close cuts short says "failed" after "closed".
    assert not sockets
    await stock_close()


EVENTS = ("connected", "frame", "track ends", "delete", "shutdown", "connection fails")


@pytest.mark.parametrize("first", EVENTS)
async def test_every_order_of_events_gives_one_left_per_join(make_call: Callable[..., Call], first: str) -> None:
    others = [event for event in EVENTS if event != first]
    for rest in itertools.permutations(others, 2):
        call = make_call(close_seconds=1.0)
        session_id = await call.accept(await call.offer())
        await _play(call, session_id, (first, *rest))
        await call.close()
        joins, lefts = (sum(event[0] == what for event in call.listener.events) for what in ("joined", "left"))
        assert joins == lefts <= 1, (first, *rest)
        assert len(call.sink) == 0


async def _play(call: Call, session_id: str, events: tuple[str, ...]) -> None:
    [session] = call.sink._sessions.values()
    receiver = peer_of(session)._connection.getTransceivers()[0].receiver
    track_queue = receiver.track._queue  # type: ignore[attr-defined]
    encoded = AdmittedFrame(1, 0, 97, b"", keyframe=True, shown=True, after_gap=False, complete_seconds=0.0)
    tasks = []
    for event in events:
        if event == "connected":
            peer_of(session)._connected.set()
        elif event == "frame":
            frame = VideoFrame.from_ndarray(np.zeros((24, 16), np.uint8), format="yuv420p")
            decoder = getattr(receiver, JITTER_BUFFER).decoder
            frame.pts = decoder._account.send(encoded)
            decoder.take(frame)
        elif event == "track ends":
            track_queue.put_nowait(None)
        elif event == "delete":
            tasks.append(asyncio.create_task(call.sink.end("standup", "ann", session_id)))
        elif event == "shutdown":
            tasks.append(asyncio.create_task(call.sink.close()))
        else:
            session.end_soon("the connection failed")
        await asyncio.sleep(0)
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        assert outcome is None or isinstance(outcome, SignallingError)


@pytest.mark.parametrize(
    "datagram",
    [
        b"",  # IndexError in aiortc's receive loop
        b"\x80" + bytes(1599),  # above libsrtp's buffer: ValueError
        b"\xbf" + bytes(1500),  # one byte above it
        b"\x80\x61" + bytes(98),  # looks like media, from a stranger
        b"\x17\xfe\xfd" + bytes(50),  # looks like DTLS, from a stranger
        b"\x00\x01" + bytes(18),  # looks like STUN
    ],
    ids=["empty", "long", "one-too-long", "media-of-a-stranger", "dtls-of-a-stranger", "stun-of-a-stranger"],
)
async def test_no_single_datagram_ends_a_stream(endpoint: Endpoint, datagram: bytes) -> None:
    async with WhipPublisher(endpoint.seat("ann"), TOKEN, numbered_frames(), loopback=True):
        await until(lambda: endpoint.listener.received("ann") >= 3)
        [session] = endpoint.sink._sessions.values()
        ports = re.findall(r"127\.0\.0\.1 (\d+) typ host", peer_of(session)._connection.localDescription.sdp)
        assert ports
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for port in ports:
                stranger.sendto(datagram, ("127.0.0.1", int(port)))
        seen = endpoint.listener.received("ann")
        await until(lambda: endpoint.listener.received("ann") >= seen + 8)
        assert endpoint.listener.of("ann") == ["joined"]
    numbers = [number_of(frame) for frame in endpoint.listener.take("ann")]
    assert None not in numbers
