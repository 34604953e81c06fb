"""What a guard and its worker say: whole or refused, whoever is at the other end."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.errors import EngineInputError
from engines.person_models.faces import FACE_BYTES, small_faces
from engines.person_models.messages import (
    HEAD_BYTES,
    MOST_BYTES,
    Kind,
    Message,
    read_message,
    read_stretches,
    write_message,
    write_stretches,
)


def reader(content: bytes) -> io.BytesIO:
    return io.BytesIO(content)


@given(
    kind=st.sampled_from(Kind),
    person=st.integers(0, 2**32 - 1),
    value=st.floats(allow_nan=False, allow_infinity=False),
    content=st.binary(max_size=300),
)
def test_what_is_said_is_heard(kind: Kind, person: int, value: float, content: bytes) -> None:
    message = Message(kind, person, value, 0.25, content)
    assert read_message(reader(write_message(message)).read) == message


@given(head=st.binary(min_size=HEAD_BYTES, max_size=HEAD_BYTES))
def test_nonsense_is_refused_before_anything_is_read(head: bytes) -> None:
    asked: list[int] = []

    def read(count: int) -> bytes:
        asked.append(count)
        return head if len(asked) == 1 else b"\0" * count

    try:
        message = read_message(read)
    except ValueError:
        return
    assert message.kind in Kind
    assert all(count <= MOST_BYTES for count in asked)


def test_numbers_that_are_none_are_refused() -> None:
    for value in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="value"):
            read_message(reader(write_message(Message(Kind.JUDGED, value=value))).read)


def test_stretches_come_back_and_must_add_up() -> None:
    faces = bytes(3 * FACE_BYTES)
    assert read_stretches(write_stretches((1, 2), faces)) == ((1, 2), faces)
    for content in (b"", write_stretches((1, 3), faces), struct.pack("<I", 2**31), struct.pack("<II", 2, 1)):
        with pytest.raises(ValueError, match="stretch"):
            read_stretches(content)


def test_faces_are_means_of_four_pixels_and_other_sizes_are_refused() -> None:
    crops = np.zeros((1, 128, 128), np.uint8)
    crops[0, 0, 0], crops[0, 0, 1], crops[0, 2:4, 2:4] = 100, 50, 255
    small = small_faces(crops)
    assert small.shape == (1, 64, 64)
    assert (int(small[0, 0, 0]), int(small[0, 1, 1]), int(small[0, 5, 5])) == (38, 255, 0)
    with pytest.raises(EngineInputError, match="128, 128"):
        small_faces(crops[:, :64])
