"""What runs inside the process that the sanitizers watch: `python -m tests.engines.kernels.sanitized_run LIBRARY WHAT`.

WHAT is "sequence" (random steps against the reference), "overread" (new maps that are 16 bytes short) or "misaligned"
(new maps that begin 8 bytes late); a sanitizer must stop the last two. One line is printed before them and at the end.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from engines.cuda import launches
from engines.cuda.device import Device
from engines.device_ring import DeviceRing
from engines.slot_state import MAP_SHAPE
from tests.engines.kernels.host_device import HostDevice
from tests.engines.kernels.streams import assert_agree, run_both

MAP_BYTES = int(np.prod(MAP_SHAPE)) * 2


def run_sequence(device: Device) -> None:
    for found, expected in run_both(device, np.random.default_rng(9), slots=3, window=3, steps=14, padding=1):
        assert_agree(found, expected)
    frames, normal = device.allocate(2 * 128 * 128), device.allocate(2 * 128 * 128 * 2)
    device.zero(frames)
    device.launch(
        launches.normalise_luma(2, frames=frames.address, normal=normal.address, pixel_mean=0.5, pixel_std=0.5)
    )


def difference_one_map(device: Device, map_bytes: int, offset: int) -> None:
    """`difference_maps` of one row, whose new map is read at `offset` of a buffer of `map_bytes`."""
    ring = DeviceRing(device, 3, 2**30)
    ring.open(1)
    places, maps = device.allocate(4), device.allocate(map_bytes)
    device.upload(places, ring.acquire(np.zeros(1, np.int32)))
    differences, energy = device.allocate(3 * MAP_BYTES), device.allocate(MAP_SHAPE[0] * 4)
    device.launch(
        launches.difference_maps(
            1,
            records=ring.records,
            places=places.address,
            maps=maps.address + offset,
            differences=differences.address,
            energy=energy.address,
        )
    )


def main(library: str, what: str) -> None:
    device = HostDevice(Path(library))
    print("begun", flush=True)  # noqa: T201 - read by the test
    if what == "sequence":
        run_sequence(device)
    elif what == "overread":
        difference_one_map(device, MAP_BYTES - 16, 0)
    else:
        difference_one_map(device, MAP_BYTES + 8, 8)
    device.close()
    print("done", flush=True)  # noqa: T201 - read by the test


if __name__ == "__main__":
    main(*sys.argv[1:])
