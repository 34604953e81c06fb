"""What a worker does: peers that receive on the guard's orders, front ends, and rings that the face frames go to."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial

from guard.calls.receiving_peer import ReceivingPeer
from guard.calls.source import LatestFrames, ReceivedFrame
from guard.config import CallsConfig
from guard.errors import SignallingError
from guard.isolation.crop_ring import RingWriter, Segment
from guard.isolation.messages import (
    AcceptAnswer,
    EndPeer,
    EndStream,
    MakeOffer,
    Order,
    PeerEnded,
    Reply,
    Report,
    Start,
    StreamEnded,
    StreamJoined,
    TakeOffer,
    short,
)
from guard.media.front_end import FaceFrontEnd

_LOG = logging.getLogger(__name__)
_ENDED = "the peer has ended"
_TIDY_SECONDS = 1.0
"""After the end of a peer; its last tasks hold on to it for a moment."""


class CropRings:
    """Where the streams' frames go: through a front end each, on the thread that decoded them, into a ring each."""

    def __init__(self, segment: Segment, bell: socket.socket, make_front_end: Callable[[], FaceFrontEnd]) -> None:
        """`bell`: not blocking; a byte on it, the ring's number, tells the guard of new frames."""
        self._segment = segment
        self._bell = bell
        self._make_front_end = make_front_end

    def open(self, number: int) -> LatestFrames:
        """A stream begins; its frames go into the returned queue, which keeps none."""
        return _RingFrames(self._make_front_end(), RingWriter(self._segment[number]), self._bell, number)


class _RingFrames(LatestFrames):
    def __init__(self, front_end: FaceFrontEnd, ring: RingWriter, bell: socket.socket, number: int) -> None:
        super().__init__()
        self._front_end = front_end
        self._ring = ring
        self._bell = bell
        self._number = bytes((number,))
        self._count = 0

    def push(self, frame: ReceivedFrame) -> None:
        self._count += 1
        self._ring.write(self._front_end.process(frame), self._count)
        # Where it is full the guard has not looked for a long time, and will look everywhere when it does.
        with suppress(BlockingIOError):
            self._bell.send(self._number)


class HostedPeers:
    """Carries out orders, and reports. Lives on the worker's event loop; numbers are the guard's."""

    def __init__(
        self,
        config: CallsConfig,
        rings: CropRings,
        report: Callable[[Report], None],
        tidy: Callable[[], None],
    ) -> None:
        """`tidy` is called a little after peers have ended."""
        self._config = config
        self._rings = rings
        self._report = report
        self._tidy = tidy
        self._will_tidy = False
        self._peers: dict[int, ReceivingPeer] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def obey(self, order: Order) -> None:
        """Begin to carry out an order."""
        match order:
            case MakeOffer():
                self._spawn(self._reply(order.request, self._peer(order.peer, multistream=False).offer()))
            case TakeOffer():
                peer = self._peer(order.peer, order.multistream)
                self._spawn(self._reply(order.request, peer.answer(order.sdp, _names(order.streams))))
            case AcceptAnswer():
                peer = self._peer(order.peer, multistream=False)
                self._spawn(self._reply(order.request, _no_sdp(peer.accept_answer(order.sdp, str(order.stream)))))
            case EndStream() if order.peer in self._peers:
                self._spawn(self._peers[order.peer].end_stream(order.mid, order.why))
            case EndPeer() if order.peer in self._peers:
                self._peers[order.peer].end_soon(order.why)
            case EndPeer():
                self._report(PeerEnded(peer=order.peer, why=_ENDED))
            case EndStream() | Start():
                pass

    def _peer(self, number: int, multistream: bool) -> ReceivingPeer:
        if number not in self._peers:
            self._peers[number] = ReceivingPeer(
                str(number),
                self._config,
                self,
                multistream=multistream,
                on_stream_ended=partial(self._note_stream_end, number, multistream),
                on_ended=partial(self._note_peer_end, number),
            )
        return self._peers[number]

    async def _reply(self, request: int, result: Awaitable[str | None]) -> None:
        try:
            reply = Reply(request=request, sdp=await result)
        except SignallingError as error:
            reply = Reply(request=request, error=short(str(error)), status=error.status)
        self._report(reply)

    # --- CallListener: the call is the peer's number, the participant the stream's ---------------------------------

    def participant_joined(self, call: str, participant: str) -> LatestFrames:
        """The connection of a stream stands."""
        self._report(StreamJoined(peer=int(call), stream=int(participant)))
        return self._rings.open(int(participant))

    def participant_left(self, call: str, participant: str, why: str) -> None:
        """No frame of a stream comes any more: its ring may go to the next."""

    def _note_stream_end(self, peer: int, multistream: bool, _mid: str, participant: str, why: str) -> None:
        self._report(StreamEnded(peer=peer, stream=int(participant), why=short(why)))
        if not multistream:
            self._peers[peer].end_soon(why)

    def _note_peer_end(self, peer: int, why: str) -> None:
        self._peers.pop(peer, None)
        self._report(PeerEnded(peer=peer, why=short(why)))
        if not self._will_tidy:
            self._will_tidy = True
            asyncio.get_running_loop().call_later(_TIDY_SECONDS, self._tidy_up)

    def _tidy_up(self) -> None:
        self._will_tidy = False
        self._tidy()

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOG.error("an order failed", exc_info=error)


def _names(streams: Mapping[str, int]) -> dict[str, str]:
    return {mid: str(number) for mid, number in streams.items()}


async def _no_sdp(accepted: Awaitable[None]) -> None:
    await accepted
