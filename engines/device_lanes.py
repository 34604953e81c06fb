"""What a batch passes on its way to a device and back. Two lanes take turns, so that one fills while the other runs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.cuda.device import Buffer, Device
from engines.step_input import FRAME_SHAPE


@dataclass(frozen=True, slots=True)
class HostRows:
    """Page-locked rows of one batch on their way to the device and back."""

    frames: NDArray[np.uint8]
    places: NDArray[np.int32]
    continues: NDArray[np.uint8]
    embeddings: NDArray[np.float32]
    valid_fraction: NDArray[np.float32]

    @classmethod
    def on(cls, device: Device, rows: int, embedding_size: int) -> HostRows:
        found = cls(
            device.host_array((rows, *FRAME_SHAPE), np.uint8),
            device.host_array((rows,), np.int32),
            device.host_array((rows,), np.uint8),
            device.host_array((rows, embedding_size), np.float32),
            device.host_array((rows,), np.float32),
        )
        found.frames.fill(0)
        return found


@dataclass(frozen=True, slots=True)
class Lane:
    """aside: room on the device for frames that come up while the batch before still reads its own."""

    host: HostRows
    aside: Buffer

    @classmethod
    def on(cls, device: Device, rows: int, embedding_size: int) -> Lane:
        """Raises DeviceMemoryError where there is no room."""
        host = HostRows.on(device, rows, embedding_size)
        return cls(host, device.allocate(host.frames.nbytes))
