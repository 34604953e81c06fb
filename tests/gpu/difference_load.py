"""The differencing kernel alone, on streams in mid-run: every launch reads and writes all that a step does."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from engines.cuda import launches
from engines.cuda.device import Buffer, Device
from engines.device_record import KEPT_MAPS
from engines.device_ring import DeviceRing
from engines.slot_state import MAP_SHAPE, TAPS

MAP_BYTES = 2 * math.prod(MAP_SHAPE)
BYTES_PER_ROW = MAP_BYTES * (1 + KEPT_MAPS + 1 + TAPS)
"""New map and kept maps read, oldest kept map and differences written: 512 KiB (engines/kernels/README.md). Energy and
counters, a thousandth of it, are left out."""

_WINDOW = 59
"""Of the shipped engine; it decides how far apart records lie."""
_DISTINCT_MAPS = 256


class DifferenceLoad:
    """Launches on `streams` streams, `rows_per_launch` at a time (all at once by default), each with a random map.

    Nothing advances the streams between launches, so each replaces the same map with the same values.
    """

    def __init__(self, device: Device, streams: int, rows_per_launch: int | None = None) -> None:
        self.streams, self._device = streams, device
        rows = rows_per_launch or streams
        self._ring = DeviceRing(device, _WINDOW, 2**40)
        self._ring.open(streams)
        self._allocated: list[Buffer] = []
        places = self._filled(self._ring.acquire(np.arange(streams, dtype=np.int32)))
        continues = self._filled(np.ones(streams, np.uint8))
        generator = np.random.default_rng(0)
        random = generator.normal(0, 3, (min(streams, _DISTINCT_MAPS), *MAP_SHAPE)).astype(np.float16)
        maps = self._new(streams * MAP_BYTES)
        self.differences = self._new(streams * TAPS * MAP_BYTES)
        energy = self._new(4 * streams * MAP_SHAPE[0])
        self._launches = [
            launches.difference_maps(
                min(rows, streams - start),
                records=self._ring.records,
                places=places.address + 4 * start,
                maps=maps.address + start * MAP_BYTES,
                differences=self.differences.address + start * TAPS * MAP_BYTES,
                energy=energy.address + 4 * start * MAP_SHAPE[0],
            )
            for start in range(0, streams, rows)
        ]
        state = {"records": self._ring.records, "places": places.address}
        for turn in range(KEPT_MAPS + 1):
            values = np.resize(np.roll(random, turn, axis=0), (streams, *MAP_SHAPE))
            device.upload(maps, values)
            device.synchronise()  # the array may go now
            device.launch(launches.advance_runs(streams, **state, continues=continues.address, window=_WINDOW))
            self.launch()
        device.synchronise()

    @property
    def bytes_moved(self) -> int:
        """By one call of `launch`."""
        return self.streams * BYTES_PER_ROW

    def launch(self) -> None:
        """Put the differencing of all streams on the device's stream."""
        for launch in self._launches:
            self._device.launch(launch)

    def result(self) -> NDArray[np.float16]:
        """What stands in the differences, half (streams, 3, 128, 16, 16)."""
        found = np.empty((self.streams, TAPS, *MAP_SHAPE), np.float16)
        self._device.download(found, self.differences)
        self._device.synchronise()
        return found

    def close(self) -> None:
        """Free everything."""
        self._device.synchronise()
        for buffer in self._allocated:
            self._device.free(buffer)
        self._allocated.clear()
        self._ring.close()

    def _new(self, size_bytes: int) -> Buffer:
        buffer = self._device.allocate(size_bytes)
        self._allocated.append(buffer)
        return buffer

    def _filled(self, array: NDArray[np.generic]) -> Buffer:
        buffer = self._new(array.nbytes)
        self._device.upload(buffer, array)
        return buffer
