"""Records say what they said before, and what is out of bounds is no reply."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.expressions.face_landmarker import BLENDSHAPES
from engines.expressions.signals import SIGNAL_NAMES
from engines.protocol import FRAME_SIZE_PX
from guard.expressions import messages
from guard.expressions.messages import (
    ORDER_BYTES,
    REPLY_BYTES,
    Order,
    OrderKind,
    Reply,
    ReplyKind,
    read_order,
    read_reply,
    write_order,
    write_reply,
)

shares = st.floats(0, 1, width=32)
signals = st.floats(-100, 100, width=32)


def test_both_sides_mean_the_same_sizes() -> None:
    assert (BLENDSHAPES, len(SIGNAL_NAMES)) == (messages.BLENDSHAPES, messages.SIGNALS)
    assert messages.SIDE_PX == FRAME_SIZE_PX


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.floats(allow_nan=False), st.binary(max_size=50))
def test_orders_come_back(number: int, track: int, seconds: float, pixels: bytes) -> None:
    order = Order(OrderKind.TRACK, number, track, seconds, pixels.ljust(128 * 128, b"\1"))
    record = write_order(order)
    assert len(record) == ORDER_BYTES
    assert read_order(record) == order


@given(
    st.integers(0, 2**64 - 1),
    st.booleans(),
    st.lists(shares, min_size=52, max_size=52),
    st.lists(signals, min_size=17, max_size=17),
)
def test_samples_come_back(number: int, found: bool, blendshapes: list[float], values: list[float]) -> None:
    reply = Reply(ReplyKind.SAMPLE, number, found, 0.25, tuple(blendshapes), tuple(values))
    record = write_reply(reply)
    assert len(record) == REPLY_BYTES
    assert read_reply(record) == reply


@given(st.text(max_size=600))
def test_texts_come_back_on_one_line(text: str) -> None:
    reply = read_reply(write_reply(Reply(ReplyKind.REFUSED, text=text)))
    assert reply.kind is ReplyKind.REFUSED
    assert reply.text.isprintable()
    plain = text.rstrip("\0")
    if plain.isascii() and plain.isprintable() and len(plain) <= 400:
        assert reply.text == plain


@given(st.binary(min_size=REPLY_BYTES, max_size=REPLY_BYTES))
def test_garbage_is_no_reply_or_a_harmless_one(record: bytes) -> None:
    try:
        reply = read_reply(record)
    except ValueError:
        return
    assert reply.text.isprintable()
    assert all(0 <= value <= 1 for value in reply.blendshapes)
    assert np.isfinite(reply.signals).all()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1.5, -0.1])
def test_a_sample_out_of_bounds_is_refused(value: float) -> None:
    record = bytearray(write_reply(Reply(ReplyKind.SAMPLE, found=True)))
    struct.pack_into("<f", record, REPLY_BYTES - 400, value)
    with pytest.raises(ValueError, match="out of bounds"):
        read_reply(bytes(record))
