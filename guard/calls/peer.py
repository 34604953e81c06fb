"""A peer connection that receives, as those who do the signalling see it: here, or in a worker process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

from guard.calls.call_source import Track
from guard.calls.receiving_peer import ReceivingPeer
from guard.calls.source import CallListener
from guard.config import CallsConfig


class PeerStream(Track, Protocol):
    """One participant's video."""

    @property
    def is_stalled(self) -> bool:
        """True where the connection stands but no frame has come for the configured time."""


class Peer(Protocol):
    """See `ReceivingPeer` for what each of these promises."""

    @property
    def streams(self) -> Mapping[str, PeerStream]:
        """The streams under way, by mid."""

    @property
    def is_ending(self) -> bool:
        """True from the first reason to end on."""

    async def answer(self, offer_sdp: str, participants: Mapping[str, str]) -> str:
        """Answer a checked offer. Raises SignallingError."""

    async def offer(self) -> str:
        """Offer to receive one video. Raises SignallingError."""

    async def accept_answer(self, answer_sdp: str, participant: str) -> None:
        """Take the checked answer to the own offer. Raises SignallingError."""

    async def end_stream(self, mid: str, why: str) -> None:
        """End one participant's stream."""

    async def end(self, why: str) -> None:
        """End everything and wait until it is gone."""

    def end_soon(self, why: str) -> asyncio.Task[None]:
        """Start the end without waiting."""


class MakePeer(Protocol):
    """Makes peers; who hears of their participants was said before."""

    def __call__(
        self,
        call: str,
        *,
        multistream: bool = False,
        on_stream_ended: Callable[[str, str, str], None] | None = None,
        on_ended: Callable[[str], None] | None = None,
    ) -> Peer:
        """A peer that is not connected yet; see `ReceivingPeer`."""


def peers_here(config: CallsConfig, listener: CallListener) -> MakePeer:
    """Peers of this process."""
    return partial(ReceivingPeer, config=config, listener=listener)
