"""Server-sent events in any pieces, and events without end."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.calls.whep.event_stream import MAX_EVENT_BYTES, Event, EventStream

STREAM = b'\xef\xbb\xbfevent: layers\r\ndata: {"0":\rdata:[]}\nid: 7\nretry: 10\n: a comment\n\ndata\n\nevent: none\n\n'
EVENTS = [Event("layers", '{"0":\n[]}'), Event("message", "")]


def test_a_whole_stream() -> None:
    assert EventStream().feed(STREAM) == EVENTS


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_the_pieces_do_not_matter(cuts: list[int]) -> None:
    stream = EventStream()
    at = [0, *sorted(cuts), len(STREAM)]
    found = [event for start, end in pairwise(at) for event in stream.feed(STREAM[start:end])]
    assert found == EVENTS


def test_what_is_no_text_is_replaced() -> None:
    assert EventStream().feed(b"data: \xff\n\n") == [Event("message", "\N{REPLACEMENT CHARACTER}")]


def test_an_event_that_is_not_finished_is_none() -> None:
    stream = EventStream()
    assert stream.feed(b"event: layers\ndata: {}\n") == []
    assert stream.feed(b"\n") == [Event("layers", "{}")]


@pytest.mark.parametrize("piece", [b"x" * 1000, b"data: x\n" * 100], ids=["line", "lines"])
def test_an_endless_event_is_refused_and_kept_no_longer(piece: bytes) -> None:
    stream = EventStream()
    fed = 0
    with pytest.raises(ValueError, match="more than 16384 bytes"):
        while fed < 100 * MAX_EVENT_BYTES:
            fed += len(piece)
            stream.feed(piece)
    assert fed <= 2 * MAX_EVENT_BYTES


def test_comments_are_no_part_of_an_event() -> None:
    stream = EventStream()
    assert stream.feed(b"data: x\n") + stream.feed(b": still here\n" * MAX_EVENT_BYTES) == []
    assert stream.feed(b"\n") == [Event("message", "x")]


def test_many_events_are_no_endless_event() -> None:
    stream = EventStream()
    assert sum(len(stream.feed(b"data: x\n\n" * 1000)) for _ in range(10)) == 10_000
