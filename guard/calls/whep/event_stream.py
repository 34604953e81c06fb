"""Server-sent events (WHATWG HTML, section 9.2.6 "Interpreting an event stream"), read with bounds. Pure."""

from __future__ import annotations

from dataclasses import dataclass

MAX_EVENT_BYTES = 16_384
"""Of one event's lines; a longer one is an error."""
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its type, "message" unless the server named another, and its data."""

    type: str
    data: str


class EventStream:
    """Turns the bytes of a stream, in pieces of any size, into events. Ids and reconnection times are passed over."""

    def __init__(self) -> None:
        self._rest = b""
        self._is_start = True
        self._type = ""
        self._data: list[str] = []
        self._bytes = 0

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that `chunk` completes. Raises ValueError where one is larger than MAX_EVENT_BYTES."""
        events = []
        for line in self._lines(chunk):
            if line.startswith(b":"):  # a comment, by which servers keep the connection
                continue
            self._bytes += len(line)
            if self._bytes > MAX_EVENT_BYTES:
                raise ValueError(f"an event has more than {MAX_EVENT_BYTES} bytes")
            if line:
                self._take(line.decode(errors="replace"))
            elif (event := self._finish()) is not None:
                events.append(event)
        return events

    def _lines(self, chunk: bytes) -> list[bytes]:
        text = self._rest + chunk
        if self._is_start and len(text) >= len(_BYTE_ORDER_MARK):
            text = text.removeprefix(_BYTE_ORDER_MARK)
            self._is_start = False
        # A carriage return at the end may be the first half of a line's end.
        whole, held = (text[:-1], text[-1:]) if text.endswith(b"\r") else (text, b"")
        *lines, rest = whole.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest = rest + held
        if self._bytes + len(self._rest) > MAX_EVENT_BYTES:
            raise ValueError(f"an event has more than {MAX_EVENT_BYTES} bytes")
        return lines

    def _take(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._type = value
        elif name == "data":
            self._data.append(value)

    def _finish(self) -> Event | None:
        event = Event(self._type or "message", "\n".join(self._data)) if self._data else None
        self._type, self._data, self._bytes = "", [], 0
        return event
