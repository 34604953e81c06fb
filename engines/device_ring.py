"""Streams and their records on a device: who has which place, under a memory budget.

A stream gets a place when its first frame comes, and gives it back at `reset`. Records are allocated in chunks as
streams come; a table of their addresses on the device is as long as the budget allows from the start, so that neither
it nor any record ever moves: what was captured with these addresses stays right while the ring grows.

When budget or device is full, streams that had no frame for a second lose their places, the longest idle first; such a
stream begins anew when it comes back, as after a reset. Where all places are in use, the streams that come last get
none: were they to take turns with the others, everybody would begin anew all the time and nobody be known.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.cuda import launches
from engines.cuda.device import Buffer, Device
from engines.device_record import RecordLayout
from engines.errors import DeviceMemoryError, EngineInputError

RECORDS_PER_CHUNK = 64

NO_PLACE = -1
"""Of a stream that there is no room for; kernels leave such a row alone."""

IDLE_SECONDS = 1.0
"""After so long without a frame a stream's window is worth little: a call begins it anew then anyway."""

_GROWTH_RETRY_SECONDS = 1.0
"""A device that had no room for another chunk is asked again after this."""

_ADDRESS_BYTES, _PLACE_BYTES = 8, 4

Places = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class RingStatus:
    """How full a ring is. places: allocated; most_places: what the budget allows.

    Since `open`: evictions of idle streams, and frames that were refused for want of a place.
    """

    streams: int
    places: int
    most_places: int
    evictions: int
    refused: int
    allocated_bytes: int
    bytes_per_stream: int


class DeviceRing:
    """The records of an engine's streams. Not thread-safe.

    window: positions of one window. budget_bytes: device memory that records and their table may take.
    clock: seconds that never run back.
    """

    def __init__(
        self, device: Device, window: int, budget_bytes: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if window < 1:
            raise EngineInputError(f"a window holds at least 1 position, got {window}")
        self._device = device
        self._layout = RecordLayout(window)
        self._budget_bytes = budget_bytes
        self._clock = clock
        self._chunks: list[Buffer] = []
        self._table: Buffer | None = None
        self._fresh: Buffer | None = None
        self._clear(0, 0)

    def open(self, slots: int) -> None:
        """Make ready for streams numbered from 0, all empty; whatever was open before is freed.

        The first chunk of records is allocated here, so that a device or budget that is too small shows at once.
        Raises EngineInputError below 1 slot, DeviceMemoryError where not even one stream fits.
        """
        if slots < 1:
            raise EngineInputError(f"a ring needs at least 1 stream, got {slots}")
        self.close()
        most = self._budget_bytes // (self._layout.size_bytes + _ADDRESS_BYTES + _PLACE_BYTES)
        if most < 1:
            raise DeviceMemoryError(
                f"one stream needs {self._layout.size_bytes} bytes on the device, the budget is {self._budget_bytes} "
                "(raise the memory budget)"
            )
        self._clear(slots, min(slots, most))
        try:
            self._table = self._device.allocate(_ADDRESS_BYTES * self._most_places)
            self._fresh = self._device.allocate(_PLACE_BYTES * self._most_places)
            self._grow()
        except DeviceMemoryError:
            self.close()
            raise

    def acquire(self, slots: Places) -> Places:
        """The places of these streams' records, int32 (n,), for this step; `NO_PLACE` where there is no room for one.

        slots: int32 (n,), each of the open ones at most once; those in front are served first. Records of streams that
        begin are emptied. Raises EngineInputError for other slots.
        """
        self._open_buffer(self._table)
        self._check(slots)
        now = self._clock()
        places = self._place_of[slots]
        # Before any place is looked for: none of this step's streams makes room for another.
        self._last_seconds[slots] = now
        beginning = np.flatnonzero(places == NO_PLACE)
        if len(beginning):
            self._make_room(len(beginning), now)
            admitted = beginning[: len(self._free)]
            self._refused += len(beginning) - len(admitted)
            taken = np.array([self._free.pop() for _ in admitted], np.int32)
            self._place_of[slots[admitted]] = taken
            places[admitted] = taken
            if len(taken):
                self._empty(taken)
        return places

    def reset(self, slot: int) -> None:
        """Forget one stream; its place is free for others. Raises EngineInputError for a slot that does not exist."""
        if not 0 <= slot < len(self._place_of):
            raise EngineInputError(f"slot {slot} does not exist, the ring is open for {len(self._place_of)}")
        place = int(self._place_of[slot])
        if place != NO_PLACE:
            self._place_of[slot] = NO_PLACE
            self._free.append(place)

    def close(self) -> None:
        """Free all device memory. May be called twice."""
        if self._table is not None or self._chunks:
            self._device.synchronise()
        for buffer in (*self._chunks, self._table, self._fresh):
            if buffer is not None:
                self._device.free(buffer)
        self._chunks, self._table, self._fresh = [], None, None
        self._clear(0, 0)

    @property
    def layout(self) -> RecordLayout:
        """Where the parts of a record lie."""
        return self._layout

    @property
    def records(self) -> int:
        """Address of the table of record addresses, fixed while open. Raises EngineInputError where not open."""
        return self._open_buffer(self._table).address

    @property
    def status(self) -> RingStatus:
        """How full the ring is."""
        buffers = [buffer for buffer in (*self._chunks, self._table, self._fresh) if buffer is not None]
        return RingStatus(
            streams=int(np.count_nonzero(self._place_of != NO_PLACE)),
            places=len(self._addresses),
            most_places=self._most_places,
            evictions=self._evictions,
            refused=self._refused,
            allocated_bytes=sum(buffer.size_bytes for buffer in buffers),
            bytes_per_stream=self._layout.size_bytes,
        )

    def _clear(self, slots: int, most_places: int) -> None:
        self._most_places = most_places
        self._place_of = np.full(slots, NO_PLACE, np.int32)
        self._last_seconds = np.zeros(slots)
        self._next_growth_seconds = -np.inf
        self._evictions = self._refused = 0
        self._free: list[int] = []
        self._addresses: list[int] = []

    def _make_room(self, count: int, now: float) -> None:
        """Have `count` free places or as many as can be had: new chunks, then those of streams that are idle."""
        while len(self._free) < count and len(self._addresses) < self._most_places:
            if now < self._next_growth_seconds:
                break
            try:
                self._grow()
            except DeviceMemoryError:
                # The device is fuller than the budget supposed; others may give some of it back.
                self._next_growth_seconds = now + _GROWTH_RETRY_SECONDS
        if (missing := count - len(self._free)) > 0:
            self._evict(missing, now)

    def _evict(self, most: int, now: float) -> None:
        idle = np.flatnonzero((self._place_of != NO_PLACE) & (now - self._last_seconds >= IDLE_SECONDS))
        longest_first = idle[np.argsort(self._last_seconds[idle], kind="stable")]
        for slot in longest_first[:most].tolist():
            self.reset(slot)
            self._evictions += 1

    def _grow(self) -> None:
        count = min(RECORDS_PER_CHUNK, self._most_places - len(self._addresses))
        chunk = self._device.allocate(count * self._layout.size_bytes)
        self._chunks.append(chunk)
        first = len(self._addresses)
        self._addresses += [chunk.address + index * self._layout.size_bytes for index in range(count)]
        # The lowest place is taken first.
        self._free = [*reversed(range(first, first + count)), *self._free]
        self._device.upload(self._open_buffer(self._table), np.array(self._addresses, np.uint64))

    def _empty(self, places: Places) -> None:
        fresh = self._open_buffer(self._fresh)
        self._device.upload(fresh, places)
        self._device.launch(
            launches.reset_records(len(places), records=self.records, places=fresh.address, window=self._layout.window)
        )

    def _check(self, slots: Places) -> None:
        count = len(self._place_of)
        if slots.dtype != np.int32 or slots.ndim != 1:
            raise EngineInputError(f"slots must be int32 in one row, got {slots.dtype.name} {slots.shape}")
        if slots.size and not (slots.min() >= 0 and slots.max() < count):
            raise EngineInputError(f"slots {slots.tolist()} reach outside 0..{count - 1}")
        if len(np.unique(slots)) != slots.size:
            raise EngineInputError(f"slots {slots.tolist()} name a stream twice in one step")

    @staticmethod
    def _open_buffer(buffer: Buffer | None) -> Buffer:
        if buffer is None:
            raise EngineInputError("the ring is not open: call open(slots) first")
        return buffer
