"""Face frames through shared memory whose other side may write anything at any time."""

from __future__ import annotations

import math
import os
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.isolation.crop_ring import (
    HEADER_BYTES,
    MAX_AGE_SECONDS,
    MAX_FPS,
    MAX_PTS_SECONDS,
    SIDE_PX,
    SLOT_BYTES,
    SLOTS,
    RingReader,
    RingWriter,
    create_segment,
    map_segment,
)
from guard.media.front_end import FaceFrame, NoFrame
from guard.verify.states import AbstainReason

NOW = 1000.0


def face(number: int, *, continues: bool = True, capture: float | None = 1.7e9) -> FaceFrame:
    pixels = np.full((SIDE_PX, SIDE_PX), number % 256, np.uint8)
    return FaceFrame(pixels, continues, number / 30, NOW - 1 + number / 1000, capture, 3, 29.9, 0.004)


def ring() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.zeros((SLOTS, SLOT_BYTES), np.uint8)


def same(one: FaceFrame | NoFrame, other: FaceFrame | NoFrame) -> bool:
    if isinstance(one, FaceFrame) and isinstance(other, FaceFrame):
        fields = [name for name in FaceFrame.__slots__ if name != "pixels"]
        return np.array_equal(one.pixels, other.pixels) and all(getattr(one, f) == getattr(other, f) for f in fields)
    return one == other


def test_what_goes_in_comes_out_once_and_in_order() -> None:
    memory = ring()
    writer, reader = RingWriter(memory), RingReader(memory)
    sent: list[FaceFrame | NoFrame] = [
        face(1, continues=False, capture=None),
        face(2),
        NoFrame(AbstainReason.NO_FACE, 0.1, NOW - 0.5, 30.0),
        NoFrame(None, 0.2, NOW - 0.4, 60.0),
    ]
    for number, frame in enumerate(sent, 1):
        writer.write(frame, number)
    came, missed = reader.take(NOW)
    assert missed == 0
    assert all(same(*pair) for pair in zip(sent, came, strict=True))
    assert reader.take(NOW) == ([], 0)
    assert reader.refused == 0


def test_a_reader_that_was_overtaken_says_what_it_missed() -> None:
    memory = ring()
    writer, reader = RingWriter(memory), RingReader(memory)
    for number in range(1, 3 * SLOTS + 1):
        writer.write(face(number), number)
    came, missed = reader.take(NOW)
    assert [frame.continues for frame in came if isinstance(frame, FaceFrame)] == [False] + [True] * (SLOTS - 1)
    assert missed == 2 * SLOTS
    assert len(came) + missed == 3 * SLOTS


def test_frames_that_the_worker_itself_dropped_are_counted() -> None:
    memory = ring()
    writer, reader = RingWriter(memory), RingReader(memory)
    writer.write(face(1), 1)
    writer.write(face(2), 5)
    came, missed = reader.take(NOW)
    assert (len(came), missed) == (2, 3)


@pytest.mark.parametrize("tear", [0, 64])
def test_a_torn_slot_is_left_out_and_breaks_the_run(tear: int) -> None:
    """At 0 the first sequence number is another than the last, at 64 the last another than the first."""
    memory = ring()
    writer, reader = RingWriter(memory), RingReader(memory)
    for number in (1, 2, 3):
        writer.write(face(number), number)
    struct.pack_into("<Q", memory[2 % SLOTS], tear, 2 + SLOTS if tear == 0 else 99)
    came, _ = reader.take(NOW)
    numbers = [frame.pixels[0, 0] for frame in came if isinstance(frame, FaceFrame)]
    assert 2 not in numbers
    assert numbers[0] == 1
    if tear:
        assert numbers == [1, 3]
        assert [frame.continues for frame in came if isinstance(frame, FaceFrame)] == [True, False]
        assert reader.refused == 1


def test_a_loss_is_told_by_the_next_face_and_not_by_a_frame_without_one() -> None:
    memory = ring()
    writer, reader = RingWriter(memory), RingReader(memory)
    writer.write(face(1), 1)
    struct.pack_into("<Q", memory[1], 64, 0)
    writer.write(NoFrame(None, 0.1, NOW - 0.998, 60.0), 2)
    writer.write(face(3), 3)
    writer.write(face(4), 4)
    came, _ = reader.take(NOW)
    assert isinstance(came[0], NoFrame)
    assert [frame.continues for frame in came if isinstance(frame, FaceFrame)] == [False, True]


def test_what_a_reader_got_does_not_change_when_the_memory_does() -> None:
    memory = ring()
    RingWriter(memory).write(face(7), 1)
    [frame], _ = RingReader(memory).take(NOW)
    memory[:] = 255
    assert isinstance(frame, FaceFrame)
    assert set(frame.pixels.reshape(-1).tolist()) == {7}


def test_frames_come_neither_from_the_past_nor_from_the_future_nor_too_often() -> None:
    def take(*arrivals: float) -> int:
        memory = ring()
        writer, reader = RingWriter(memory), RingReader(memory)
        for number, arrival in enumerate(arrivals, 1):
            writer.write(NoFrame(None, 0.0, arrival, 30.0), number)
        return len(reader.take(NOW)[0])

    assert take(NOW - MAX_AGE_SECONDS - 0.1) == 0
    assert take(NOW + 0.001) == 0
    assert take(NOW - 1, NOW - 2) == 1

    memory = ring()
    writer, reader = RingWriter(memory), RingReader(memory)
    came = 0
    for number in range(1, 200):
        writer.write(face(number), number)
        came += len(reader.take(NOW)[0])
    assert came == 60


def test_nobody_can_take_the_memory_away_from_the_reader() -> None:
    descriptor = create_segment(2)
    segment = map_segment(descriptor)
    try:
        with pytest.raises(PermissionError):
            os.ftruncate(descriptor, 0)
        assert segment.shape == (2, SLOTS, SLOT_BYTES)
    finally:
        os.close(descriptor)


finite_or_not = st.floats(width=64) | st.sampled_from([NOW, NOW - 1, 0.0, 30.0])
headers = st.one_of(
    st.binary(min_size=HEADER_BYTES, max_size=HEADER_BYTES),
    st.builds(
        lambda first, received, kind, reason, flags, generation, numbers, last: struct.pack(
            "<QQBBBxIdddddQ", first, received, kind, reason, flags, generation, *numbers, last
        ).ljust(HEADER_BYTES, b"\0"),
        st.integers(0, 20) | st.integers(0, 2**64 - 1),
        st.integers(0, 2**64 - 1),
        st.integers(0, 3),
        st.integers(0, 5),
        st.integers(0, 5),
        st.integers(0, 2**32 - 1),
        st.lists(finite_or_not, min_size=5, max_size=5),
        st.integers(0, 20) | st.integers(0, 2**64 - 1),
    ),
)


@given(st.lists(st.lists(headers, min_size=SLOTS, max_size=SLOTS), min_size=1, max_size=4))
def test_whatever_lies_in_the_memory_nothing_raises_and_nothing_impossible_comes_out(
    rounds: list[list[bytes]],
) -> None:
    memory = ring()
    reader = RingReader(memory)
    last = -math.inf
    for contents in rounds:
        for slot, header in zip(memory, contents, strict=True):
            slot[:HEADER_BYTES] = np.frombuffer(header, np.uint8)
        frames, missed = reader.take(NOW)
        assert len(frames) <= 2 * SLOTS
        assert 0 <= missed <= 2 * SLOTS * 1001
        for frame in frames:
            assert abs(frame.pts_seconds) <= MAX_PTS_SECONDS
            assert max(last, NOW - MAX_AGE_SECONDS) <= frame.arrival_seconds <= NOW
            assert 0 <= frame.fps <= MAX_FPS
            last = frame.arrival_seconds
            if isinstance(frame, FaceFrame):
                assert frame.pixels.shape == (SIDE_PX, SIDE_PX)
                assert frame.pixels.dtype == np.uint8
                assert 0 <= frame.pixels_seconds <= MAX_AGE_SECONDS
                assert frame.capture_seconds is None or math.isfinite(frame.capture_seconds)
