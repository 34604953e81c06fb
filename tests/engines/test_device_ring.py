"""Streams keep their records, the budget holds, and whoever has been idle longest makes room."""

from __future__ import annotations

import itertools
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import DTypeLike, NDArray

from engines.cuda.device import Buffer, Launch
from engines.device_record import RecordLayout
from engines.device_ring import IDLE_SECONDS, NO_PLACE, RECORDS_PER_CHUNK, DeviceRing
from engines.errors import DeviceMemoryError, EngineInputError

WINDOW = 3
RECORD = RecordLayout(WINDOW).size_bytes
PER_STREAM = RECORD + 12
"""A record, its address in the table, and a place in the list of those to be emptied."""


class BookkeepingDevice:
    """A device without memory: remembers what was allocated, uploaded and launched."""

    name = "bookkeeping"
    stream = 0

    def __init__(self, capacity_bytes: int = 2**40) -> None:
        self.capacity_bytes = capacity_bytes
        self.buffers: dict[int, Buffer] = {}
        self.content: dict[int, list[int]] = {}
        self.emptied: list[list[int]] = []
        self._next = 256

    def current(self) -> AbstractContextManager[None]:
        return nullcontext()

    def allocate(self, size_bytes: int) -> Buffer:
        if sum(buffer.size_bytes for buffer in self.buffers.values()) + size_bytes > self.capacity_bytes:
            raise DeviceMemoryError("full")
        buffer = Buffer(self._next, size_bytes)
        self._next += -(-size_bytes // 256) * 256
        self.buffers[buffer.address] = buffer
        return buffer

    def free(self, buffer: Buffer) -> None:
        del self.buffers[buffer.address]

    def upload(self, buffer: Buffer, array: NDArray[np.generic]) -> None:
        assert array.nbytes <= self.buffers[buffer.address].size_bytes
        self.content[buffer.address] = array.tolist()

    def launch(self, launch: Launch) -> None:
        assert launch.kernel == "reset_records"
        assert launch.grid[0] == len(self.content[int(launch.arguments[1])])
        self.emptied.append(self.content[int(launch.arguments[1])])

    def zero(self, buffer: Buffer) -> None:
        raise AssertionError("records are emptied by a kernel")

    def download(self, array: NDArray[np.generic], buffer: Buffer) -> None:
        raise AssertionError("a ring reads nothing back")

    def upload_aside(self, buffer: Buffer, array: NDArray[np.generic]) -> object:
        raise AssertionError("what a ring uploads must not be late")

    def follow(self, mark: object) -> None:
        pass

    def copy(self, to: Buffer, source: Buffer, size_bytes: int) -> None:
        raise AssertionError("no record ever moves")

    def mark(self) -> object:
        return None

    def wait(self, mark: object) -> None:
        pass

    def synchronise(self) -> None:
        pass

    def host_array(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[np.generic]:
        return np.empty(shape, dtype)

    def close(self) -> None:
        self.buffers.clear()


def slots(*numbers: int) -> NDArray[np.int32]:
    return np.array(numbers, np.int32)


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def open_ring(
    streams: int, room: int, device: BookkeepingDevice | None = None, clock: Clock | None = None
) -> tuple[DeviceRing, BookkeepingDevice]:
    """A ring for `streams`, with a budget for `room` of them."""
    device = device or BookkeepingDevice()
    ring = DeviceRing(device, WINDOW, room * PER_STREAM, clock or Clock())
    ring.open(streams)
    return ring, device


@given(
    st.integers(1, 8),
    st.lists(
        st.one_of(
            st.integers(0, 9),
            st.sampled_from([0.25, IDLE_SECONDS]),
            st.lists(st.integers(0, 9), min_size=1, max_size=10, unique=True),
        )
    ),
)
@settings(max_examples=150)
def test_places_are_kept_while_frames_come_and_go_to_others_after_a_second(
    room: int, calls: list[int | float | list[int]]
) -> None:
    """Against a plain model; a whole number is a reset, another lets time pass, a list is a step."""
    clock = Clock()
    ring, device = open_ring(10, room, clock=clock)
    last: dict[int, float] = {}
    places: dict[int, int] = {}
    evictions = refused = 0
    for call in calls:
        device.emptied.clear()
        if isinstance(call, int):
            ring.reset(call)
            places.pop(call, None)
            continue
        if isinstance(call, float):
            clock.now += call
            continue
        found = dict(zip(call, ring.acquire(slots(*call)).tolist(), strict=True))
        last |= dict.fromkeys(call, clock.now)
        beginning = [slot for slot in call if slot not in places]
        idle = [slot for slot in places if clock.now - last[slot] >= IDLE_SECONDS]
        leaving = sorted(idle, key=lambda slot: (last[slot], slot))[: max(0, len(places) + len(beginning) - room)]
        evictions += len(leaving)
        for slot in leaving:
            del places[slot]
        admitted = beginning[: room - len(places)]
        refused += len(beginning) - len(admitted)
        assert all(found[slot] == NO_PLACE for slot in beginning[len(admitted) :])
        assert all(found[slot] == places[slot] for slot in call if slot not in beginning)
        places |= {slot: found[slot] for slot in admitted}
        assert len(set(places.values())) == len(places)
        assert NO_PLACE not in places.values()
        assert device.emptied == ([[found[slot] for slot in admitted]] if admitted else [])
    assert ring.status.streams == len(places)
    assert (ring.status.evictions, ring.status.refused) == (evictions, refused)
    assert ring.status.places <= ring.status.most_places == min(room, 10)
    held = sum(buffer.size_bytes for buffer in device.buffers.values())
    assert held == ring.status.allocated_bytes <= room * PER_STREAM


def test_ring_grows_by_chunks_and_nothing_moves() -> None:
    streams = 2 * RECORDS_PER_CHUNK + 5
    ring, device = open_ring(streams, 1000)
    table = ring.records
    seen: list[int] = []
    for count in (1, RECORDS_PER_CHUNK, RECORDS_PER_CHUNK + 1, streams):
        places = ring.acquire(np.arange(count, dtype=np.int32))
        assert places.tolist() == list(range(count))
        addresses = device.content[ring.records]
        assert ring.records == table
        assert addresses[: len(seen)] == seen
        seen = addresses
        assert ring.status.places == len(seen) >= count
    assert ring.status.places == streams
    records = sorted(seen)
    assert all(later - earlier >= RECORD for earlier, later in itertools.pairwise(records))
    assert all(address % 256 == 0 for address in records)


def test_device_that_is_fuller_than_the_budget_refuses_until_it_has_room_again() -> None:
    table = 12 * 3 * RECORDS_PER_CHUNK
    device, clock = BookkeepingDevice(table + RECORDS_PER_CHUNK * RECORD + RECORD // 2), Clock()
    ring, _ = open_ring(3 * RECORDS_PER_CHUNK, 3 * RECORDS_PER_CHUNK, device, clock)
    ring.acquire(np.arange(RECORDS_PER_CHUNK, dtype=np.int32))
    assert ring.acquire(slots(RECORDS_PER_CHUNK)).tolist() == [NO_PLACE]
    assert (ring.status.refused, ring.status.places) == (1, RECORDS_PER_CHUNK)
    device.capacity_bytes *= 2  # another program ends
    assert ring.acquire(slots(RECORDS_PER_CHUNK)).tolist() == [NO_PLACE]  # not asked at every frame
    clock.now += 0.9
    ring.acquire(np.arange(RECORDS_PER_CHUNK, dtype=np.int32))
    clock.now += 0.1
    assert ring.acquire(slots(RECORDS_PER_CHUNK)).tolist() == [RECORDS_PER_CHUNK]
    assert (ring.status.evictions, ring.status.places) == (0, 2 * RECORDS_PER_CHUNK)


def test_streams_that_take_turns_do_not_take_each_others_places() -> None:
    """Three streams in two places, one step each: were the longest idle to leave, everybody would begin anew always."""
    clock = Clock()
    ring, _ = open_ring(3, 2, clock=clock)
    found = []
    for _ in range(40):
        for slot in (0, 1, 2):
            clock.now += 0.01
            found.append(int(ring.acquire(slots(slot))[0]))
    assert found == [0, 1, NO_PLACE] * 40
    clock.now += IDLE_SECONDS
    assert ring.acquire(slots(2)).tolist() == [0]


@pytest.mark.parametrize("capacity", [100, 1000])
def test_a_device_without_room_for_one_stream_is_refused_and_left_clean(capacity: int) -> None:
    device = BookkeepingDevice(capacity)
    with pytest.raises(DeviceMemoryError, match="full"):
        open_ring(20, 20, device)
    assert not device.buffers


def test_a_budget_below_one_stream_is_refused() -> None:
    with pytest.raises(DeviceMemoryError, match=f"one stream needs {RECORD} bytes"):
        DeviceRing(BookkeepingDevice(), WINDOW, PER_STREAM - 1).open(1)


def test_opening_again_and_closing_twice_frees_everything() -> None:
    ring, device = open_ring(4, 4)
    ring.acquire(slots(0, 1))
    ring.open(2)
    assert ring.status.streams == 0
    assert sum(buffer.size_bytes for buffer in device.buffers.values()) == 2 * PER_STREAM
    ring.close()
    ring.close()
    assert not device.buffers
    with pytest.raises(EngineInputError, match="not open"):
        ring.acquire(slots(0))


def test_hostile_calls_change_nothing() -> None:
    ring, _ = open_ring(3, 3)
    hostile: list[tuple[NDArray[Any], str]] = [
        (slots(0, 0), "twice"),
        (slots(3), "outside"),
        (slots(-1), "outside"),
        (np.zeros(1, np.int64), "int32"),
        (np.zeros((1, 1), np.int32), "one row"),
    ]
    for wrong, message in hostile:
        with pytest.raises(EngineInputError, match=message):
            ring.acquire(wrong)
    for slot in (-1, 3):
        with pytest.raises(EngineInputError, match="does not exist"):
            ring.reset(slot)
    assert ring.status.streams == 0
    assert ring.acquire(slots()).tolist() == []
    for streams in (0, -1):
        with pytest.raises(EngineInputError, match="at least 1 stream"):
            ring.open(streams)
    with pytest.raises(EngineInputError, match="at least 1 position"):
        DeviceRing(BookkeepingDevice(), 0, 10**9)
