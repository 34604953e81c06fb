"""Closing a peer connection in bounded time, whatever the peer did to it."""

from __future__ import annotations

import asyncio
import logging

from aiortc import RTCPeerConnection

_LOG = logging.getLogger(__name__)
# For what is done after the regular close has failed.
_FORCED_SECONDS = 1.0


async def close_within(connection: RTCPeerConnection, seconds: float) -> bool:
    """Close `connection`; after `seconds` only free its sockets and go on. Return whether it closed regularly.

    `RTCPeerConnection.close()` can wait for ever, and a peer can bring it to that: it waits for an event that a task
    sets which may have died of an error.
    """
    closing = asyncio.ensure_future(connection.close())
    await asyncio.wait({closing}, timeout=seconds)
    if closing.done() and not closing.cancelled():
        error = closing.exception()
        if error is None:
            return True
        _LOG.warning("closing a peer connection failed: %r", error)
    else:
        _LOG.warning("closing a peer connection took longer than %.1f s; its sockets are closed by force", seconds)
    closing.cancel()
    await asyncio.wait({closing, asyncio.ensure_future(_free_sockets(connection))}, timeout=_FORCED_SECONDS)
    return False


async def _free_sockets(connection: RTCPeerConnection) -> None:
    # An offer with a broken bundle leaves receivers without a transport.
    dtls_transports = {transceiver.receiver.transport for transceiver in connection.getTransceivers()} - {None}
    transports = {dtls.transport for dtls in dtls_transports}
    await asyncio.gather(*(transport.stop() for transport in transports), return_exceptions=True)
