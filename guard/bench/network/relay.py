"""A user-space UDP relay between a WHIP client and a guard, both on this machine, that makes their network bad.

Two sockets, one faces the client, one the guard. The relay takes part in the signalling: it takes the candidates out
of the offer and puts its own into the answer, so that media has no other way.

    async with (
        ImpairedRelay(to_guard=Impairment(loss=0.05), to_client=Impairment(), seed=1) as relay,
        WhipPublisher(url, token, next_frame, loopback=True, exchange=relay.exchange),
    ):
        relay.start_impairing()
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Self

from guard.bench.network.candidates import Address, redirect_candidates, without_candidates
from guard.bench.network.impairment import Impairment
from guard.bench.network.path import ImpairedPath
from guard.calls.whip_client import post_offer

LOOPBACK = "127.0.0.1"


class ImpairedRelay:
    """Relays one call. Only SRTP and SRTCP are impaired, and only after `start_impairing`."""

    def __init__(self, *, to_guard: Impairment, to_client: Impairment, seed: int) -> None:
        self.to_guard = ImpairedPath(to_guard, f"{seed}/to guard")
        self.to_client = ImpairedPath(to_client, f"{seed}/to client")
        self._facing_client = _Socket(self._from_client)
        self._facing_guard = _Socket(self._from_guard)
        self._guardwards = _Sending(self.to_guard, self._facing_guard)
        self._clientwards = _Sending(self.to_client, self._facing_client)

    async def __aenter__(self) -> Self:
        try:
            await self._facing_client.open()
            await self._facing_guard.open()
        except BaseException:
            self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def exchange(self, url: str, token: str, offer_sdp: str) -> tuple[str, str]:
        """What `post_offer` does, with the relay put in between; blocking, like that.

        Raises ServerError as that does, SignallingError where the guard has no address on this machine.
        """
        session_url, answer_sdp = post_offer(url, token, without_candidates(offer_sdp))
        answer_sdp, self._guardwards.receiver = redirect_candidates(answer_sdp, self._facing_client.address)
        return session_url, answer_sdp

    def start_impairing(self) -> None:
        """The network turns bad, in both directions."""
        self.to_guard.start_impairing()
        self.to_client.start_impairing()

    def _from_client(self, datagram: bytes, sender: Address) -> None:
        if not ip_address(sender[0]).is_loopback:
            return  # A client tries from every address that it has; the others would be several clients.
        self._clientwards.receiver = sender
        self._guardwards.relay(datagram)

    def _from_guard(self, datagram: bytes, sender: Address) -> None:
        if sender == self._guardwards.receiver:
            self._clientwards.relay(datagram)

    def _close(self) -> None:
        for part in (self._guardwards, self._clientwards, self._facing_guard, self._facing_client):
            part.close()


class _Sending:
    """One direction: a path, and the socket that sends what comes out of it."""

    def __init__(self, path: ImpairedPath, socket: _Socket) -> None:
        self.receiver: Address | None = None
        self._path = path
        self._socket = socket
        self._timer: asyncio.TimerHandle | None = None

    def relay(self, datagram: bytes) -> None:
        self._path.take(datagram, asyncio.get_running_loop().time())
        self._flush()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _flush(self) -> None:
        """Send what is due, and come back when the next is."""
        loop = asyncio.get_running_loop()
        self.close()
        for datagram in self._path.due(loop.time()):
            self._socket.send(datagram, self.receiver)
        if (due := self._path.next_seconds) is not None:
            self._timer = loop.call_at(due, self._flush)


class _Socket(asyncio.DatagramProtocol):
    """A UDP socket on a free port of 127.0.0.1."""

    def __init__(self, receive: Callable[[bytes, Address], None]) -> None:
        self._receive = receive
        self._transport: asyncio.DatagramTransport | None = None

    @property
    def address(self) -> Address:
        if self._transport is None:
            raise RuntimeError("the relay is not running; use it as a context")
        host, port = self._transport.get_extra_info("sockname")
        return host, port

    async def open(self) -> None:
        self._transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: self, local_addr=(LOOPBACK, 0)
        )

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self._receive(data, (addr[0], addr[1]))

    def error_received(self, exc: Exception) -> None:
        """The other side has closed its port (ICMP): what is sent there is lost, as in any network."""

    def send(self, datagram: bytes, receiver: Address | None) -> None:
        if self._transport is not None and receiver is not None:
            self._transport.sendto(datagram, receiver)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
            self._transport = None
