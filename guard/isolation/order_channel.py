"""The guard's end of the socket to a worker. Bounded: the worker may be in an attacker's hands and stop reading."""

from __future__ import annotations

import asyncio
import socket

from guard.errors import SignallingError
from guard.isolation.messages import MAX_ORDER_BYTES, MAX_REPORT_BYTES, Order, to_line

_MAX_QUEUED_BYTES = MAX_ORDER_BYTES
"""Of orders that the worker has not read yet; a request above that is refused."""
_SPARE_BYTES = 1_048_576
"""More of those that end something, which are small and must reach a worker that is merely held up."""
_UNAVAILABLE = 503


class OrderChannel:
    """Sends orders in the order in which they are given; before `open` and after `close` they are lost.

    Lives on one event loop.
    """

    def __init__(self) -> None:
        self._writer: asyncio.StreamWriter | None = None
        self.is_overrun = False
        """True once an order was lost because the worker does not read."""

    async def open(self, channel: socket.socket) -> asyncio.StreamReader:
        """Take over a connected socket; returns where the reports come from."""
        reader, self._writer = await asyncio.open_unix_connection(sock=channel, limit=MAX_REPORT_BYTES)
        return reader

    def send(self, order: Order) -> None:
        """Give an order."""
        if not self._write(order, _MAX_QUEUED_BYTES + _SPARE_BYTES):
            self.is_overrun = True

    def ask(self, order: Order) -> None:
        """Give an order that may be refused. Raises SignallingError where too many are waiting."""
        if not self._write(order, _MAX_QUEUED_BYTES):
            raise SignallingError("the process that receives the video is busy; try later", _UNAVAILABLE)

    def close(self) -> None:
        """Close the socket if it was taken over; what the worker has not read is dropped."""
        if self._writer is not None:
            # The writer's own `close` would wait for the worker to read the rest.
            self._writer.transport.abort()

    def _write(self, order: Order, max_bytes: int) -> bool:
        """False where more than `max_bytes` would wait."""
        if self._writer is None or self._writer.is_closing():
            return True
        line = to_line(order)
        if self._writer.transport.get_write_buffer_size() + len(line) > max_bytes:
            return False
        self._writer.write(line)
        return True
