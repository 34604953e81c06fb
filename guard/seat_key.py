"""What a seat is told from others by."""

from __future__ import annotations

from typing import NamedTuple


class SeatKey(NamedTuple):
    """A participant of a call."""

    call: str
    participant: str
