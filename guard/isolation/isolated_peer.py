"""A peer connection in a worker, with the interface of one that is here (`ReceivingPeer`)."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from guard.calls.receiving_peer import SETUP_SECONDS
from guard.config import CallsConfig
from guard.errors import SeatError, SignallingError
from guard.isolation.messages import AcceptAnswer, EndPeer, EndStream, MakeOffer, TakeOffer
from guard.isolation.worker_process import REQUEST_SECONDS, WorkerProcess
from guard.media.front_end import FaceFrame, NoFrame
from guard.media.latest_faces import FaceListener, LatestFaces

_LOG = logging.getLogger(__name__)

_UNAVAILABLE = 503
_GRACE_SECONDS = 2.0
"""The worker has its own limits of time; past those by so much, the guard goes by its own."""
_JOIN_SECONDS = REQUEST_SECONDS + SETUP_SECONDS + _GRACE_SECONDS
"""From the order to receive a stream to the report that its connection stands."""


@dataclass(slots=True)
class IsolatedStream:
    """One participant's video, received elsewhere."""

    participant: str
    number: int
    """The ring that its face frames come through."""
    stalled_seconds: float
    opened_seconds: float
    faces: LatestFaces | None = None
    """Where they go, from the moment on at which the connection stands."""
    frames: int = 0
    last_frame_seconds: float = 0.0

    @property
    def silent_seconds(self) -> float:
        """Seconds since the last frame, or since the connection stood; 0 before that."""
        return 0.0 if self.faces is None else time.monotonic() - self.last_frame_seconds

    @property
    def is_stalled(self) -> bool:
        """True where the connection stands but no frame has come for the configured time."""
        return self.silent_seconds > self.stalled_seconds


@dataclass(frozen=True, slots=True)
class Lease:
    """Room for a peer in a worker."""

    worker: WorkerProcess
    give_back: Callable[[], None]


class IsolatedPeer:
    """Stands for a peer in a worker; tells a `FaceListener` who joins and leaves, exactly once each.

    What the worker says of it is believed only as far as it concerns this peer's own streams. When the worker ends,
    so does the peer.
    """

    def __init__(
        self,
        call: str,
        config: CallsConfig,
        listener: FaceListener,
        lease: Callable[[bool], Awaitable[Lease]],
        *,
        multistream: bool = False,
        on_stream_ended: Callable[[str, str, str], None] | None = None,
        on_ended: Callable[[str], None] | None = None,
    ) -> None:
        """`lease(multistream)` finds a worker at the first negotiation; the rest is as for `ReceivingPeer`."""
        self._call = call
        self._config = config
        self._listener = listener
        self._find_worker = lease
        self._multistream = multistream
        self._on_stream_ended = on_stream_ended
        self._on_ended = on_ended
        self._lease: Lease | None = None
        self._number = 0
        self._streams: dict[str, IsolatedStream] = {}
        self._gone = asyncio.Event()
        self._ending: asyncio.Task[None] | None = None

    @property
    def streams(self) -> Mapping[str, IsolatedStream]:
        """The streams under way, by mid."""
        return self._streams

    @property
    def is_ending(self) -> bool:
        """True from the first reason to end on."""
        return self._ending is not None

    async def answer(self, offer_sdp: str, participants: Mapping[str, str]) -> str:
        """Answer a checked offer, as `ReceivingPeer.answer` does. Raises SignallingError."""
        worker = await self._worker()
        for mid in [mid for mid, stream in self._streams.items() if participants.get(mid) != stream.participant]:
            # The worker finds the same by itself.
            self._lose(mid, "the participant left")
        for mid, participant in participants.items():
            if mid not in self._streams:
                self._open(mid, participant, worker)
        numbers = {mid: stream.number for mid, stream in self._streams.items()}
        request = worker.next_request()
        order = TakeOffer(
            request=request, peer=self._number, sdp=offer_sdp, streams=numbers, multistream=self._multistream
        )
        return self._description(await worker.request(request, order))

    async def offer(self) -> str:
        """Offer to receive one video. Raises SignallingError."""
        worker = await self._worker()
        request = worker.next_request()
        return self._description(await worker.request(request, MakeOffer(request=request, peer=self._number)))

    async def accept_answer(self, answer_sdp: str, participant: str) -> None:
        """Take the checked answer to the own offer. Raises SignallingError."""
        worker = await self._worker()
        # There is one section; its name is the offer's business.
        stream = self._open("0", participant, worker)
        request = worker.next_request()
        order = AcceptAnswer(request=request, peer=self._number, sdp=answer_sdp, stream=stream.number)
        await worker.request(request, order)
        self._check_going_on()

    async def end_stream(self, mid: str, why: str) -> None:
        """End one participant's stream, if it is there, and leave the others alone."""
        if mid in self._streams:
            self._end_stream(mid, why)

    async def end(self, why: str) -> None:
        """End everything and wait until all of it is gone, at most a little longer than `close_seconds`."""
        await asyncio.shield(self.end_soon(why))

    def end_soon(self, why: str) -> asyncio.Task[None]:
        """Start the end without waiting."""
        if self._ending is None:
            self._ending = asyncio.create_task(self._shut(why), name=f"end of a peer of {self._call}")
        return self._ending

    # --- what the worker reports --------------------------------------------------------------------------------

    def on_joined(self, stream: int) -> None:
        """Frames of this stream may come."""
        for mid, open_stream in self._streams.items():
            if open_stream.number == stream and open_stream.faces is None:
                self._join(mid, open_stream)
                return

    def on_frames(self, stream: int, frames: list[FaceFrame | NoFrame], missed: int) -> None:
        """Frames have come, and so many more were lost."""
        for open_stream in self._streams.values():
            if open_stream.number == stream and open_stream.faces is not None:
                open_stream.faces.missed(missed)
                for frame in frames:
                    open_stream.frames += 1
                    open_stream.last_frame_seconds = frame.arrival_seconds
                    open_stream.faces.push(frame)

    def on_stream_ended(self, stream: int, why: str) -> None:
        """No frame of this stream comes any more."""
        for mid in [mid for mid, open_stream in self._streams.items() if open_stream.number == stream]:
            self._lose(mid, why)

    def on_gone(self, why: str) -> None:
        """Nothing of the peer is left over there."""
        self._gone.set()
        self.end_soon(why)

    def look(self) -> None:
        """Some time has passed: end what the worker should have ended by itself."""
        patience = self._config.frozen_seconds + _GRACE_SECONDS
        now = time.monotonic()
        for mid, stream in list(self._streams.items()):
            if stream.faces is None and now - stream.opened_seconds > _JOIN_SECONDS:
                self._end_stream(mid, f"no connection within {_JOIN_SECONDS:g} s")
            elif stream.silent_seconds > patience:
                self._end_stream(mid, f"no video for {patience:g} s")

    # --- inside -------------------------------------------------------------------------------------------------

    async def _worker(self) -> WorkerProcess:
        self._check_going_on()
        if self._lease is None:
            lease = await self._find_worker(self._multistream)
            if self._ending is not None:
                lease.give_back()
                self._check_going_on()
            self._lease = lease
            self._number = lease.worker.add(self)
        return self._lease.worker

    def _check_going_on(self) -> None:
        if self._ending is not None:
            raise SignallingError("the connection was ended during its set-up; try again", _UNAVAILABLE)

    def _description(self, sdp: str | None) -> str:
        self._check_going_on()
        if sdp is None:
            raise SignallingError("the guard had an internal error while connecting", _UNAVAILABLE)
        return sdp

    def _open(self, mid: str, participant: str, worker: WorkerProcess) -> IsolatedStream:
        number = worker.open_ring(self._number)
        stream = self._streams[mid] = IsolatedStream(
            participant, number, self._config.stalled_seconds, opened_seconds=time.monotonic()
        )
        return stream

    def _join(self, mid: str, stream: IsolatedStream) -> None:
        try:
            faces = self._listener.faces_joined(self._call, stream.participant)
        except SeatError as error:
            _LOG.warning("the video of %s/%s is turned away: %s", self._call, stream.participant, error)
            self._end_stream(mid, str(error))
        except Exception:  # noqa: BLE001 - the listener's trouble is no reason to stop reading a worker's reports
            _LOG.exception("receiving %s/%s stopped on an error", self._call, stream.participant)
            self._end_stream(mid, "the guard had an internal error while receiving")
        else:
            stream.last_frame_seconds = time.monotonic()
            stream.faces = faces

    def _end_stream(self, mid: str, why: str) -> None:
        if self._lease is not None:
            self._lease.worker.send(EndStream(peer=self._number, mid=mid, why=why))
        self._lose(mid, why)

    def _lose(self, mid: str, why: str) -> None:
        """A stream is over for the guard, whatever the worker still does with it."""
        stream = self._streams.pop(mid)
        if stream.faces is not None:
            self._listener.participant_left(self._call, stream.participant, why)
        if self._on_stream_ended is not None:
            self._on_stream_ended(mid, stream.participant, why)
        else:
            self.end_soon(why)

    async def _shut(self, why: str) -> None:
        try:
            for mid in list(self._streams):
                self._lose(mid, why)
            if self._lease is not None and not self._gone.is_set():
                self._lease.worker.send(EndPeer(peer=self._number, why=why))
                await self._wait_gone(self._config.close_seconds + _GRACE_SECONDS)
        finally:
            if self._lease is not None:
                self._lease.give_back()
            if self._on_ended is not None:
                self._on_ended(why)

    async def _wait_gone(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._gone.wait()
        except TimeoutError:
            _LOG.warning("a worker did not end a peer within %.1f s; its streams stay taken until it ends", seconds)
