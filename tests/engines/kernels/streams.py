"""A step of many streams, once by the kernels on a device and once by what the CPU engine keeps of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.cuda import launches
from engines.cuda.device import Buffer, Device
from engines.device_ring import DeviceRing
from engines.optical_flow import FLOW_SIZE, FlowHistory
from engines.slot_state import (
    MAP_SHAPE,
    POOLED_SIZE,
    POSITION_SIZE,
    SLICE_SHAPE,
    TEMPORAL_MARGIN,
    MotionHistory,
    PositionWindow,
)
from engines.step_input import FRAME_SHAPE

Half = NDArray[np.float16]
Single = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Frames:
    """What one step brings: new frames of the rows' streams, and maps, slices and pooled vectors, as of the graphs."""

    slots: NDArray[np.int32]
    continues: NDArray[np.bool_]
    frames: NDArray[np.uint8]
    maps: Half
    slices: Half
    pooled: Single


@dataclass(frozen=True, slots=True)
class Step:
    """What one step gives, row by row."""

    differences: Half
    energy: Single
    earlier: Half
    flow: Single
    moments: Single
    valid_fraction: Single


class KernelStreams:
    """Streams whose state the kernels keep. padding: rows added to every batch that stand for no stream."""

    def __init__(self, device: Device, slots: int, window: int, padding: int = 0) -> None:
        self._device, self._window, self._padding = device, window, padding
        self._ring = DeviceRing(device, window, 2**40)
        self._ring.open(slots)
        self._uploaded: list[Buffer] = []

    def reset(self, slot: int) -> None:
        self._ring.reset(slot)

    def step(self, frames: Frames) -> Step:
        count = len(frames.slots)
        rows, window, records = count + self._padding, self._window, self._ring.records
        device = self._device
        acquired = self._ring.acquire(frames.slots)
        places = self._upload(np.append(acquired, [-1] * self._padding).astype(np.int32))
        continues = self._upload(np.append(frames.continues, [True] * self._padding).astype(np.uint8))
        brought = (frames.frames, frames.maps, frames.slices, frames.pooled)
        pictures, maps, slices, pooled = (self._upload(rows_of) for rows_of in brought)
        out = Step(
            np.empty((count, 3, *MAP_SHAPE), np.float16),
            np.empty((count, MAP_SHAPE[0]), np.float32),
            np.empty((count, 2, *SLICE_SHAPE), np.float16),
            np.empty((count, FLOW_SIZE), np.float32),
            np.empty((count, 2 * POSITION_SIZE), np.float32),
            np.empty(count, np.float32),
        )
        # As large as the rows that stand for streams: a sanitizer sees it where a kernel touches the others.
        arrays: tuple[NDArray[Any], ...] = tuple(getattr(out, field.name) for field in fields(Step))
        buffers = [device.allocate(array.nbytes) for array in arrays]
        differences, energy, earlier, flow, moments, fraction = (buffer.address for buffer in buffers)
        for launch in (
            launches.advance_runs(rows, records=records, places=places, continues=continues, window=window),
            launches.measure_flow(rows, records=records, places=places, frames=pictures, flow=flow),
            launches.difference_maps(
                rows, records=records, places=places, maps=maps, differences=differences, energy=energy
            ),
            launches.gather_slices(rows, records=records, places=places, earlier=earlier),
            launches.push_slices(rows, records=records, places=places, slices=slices),
            launches.push_positions(
                rows,
                records=records,
                places=places,
                pooled=pooled,
                flow=flow,
                moments=moments,
                valid_fraction=fraction,
                window=window,
            ),
        ):
            device.launch(launch)
        for array, buffer in zip(arrays, buffers, strict=True):
            device.download(array, buffer)
        device.synchronise()
        for buffer in (*buffers, *self._uploaded):
            device.free(buffer)
        self._uploaded.clear()
        return out

    def _upload(self, array: NDArray[np.generic]) -> int:
        buffer = self._device.allocate(array.nbytes)
        self._device.upload(buffer, array)
        self._uploaded.append(buffer)
        return buffer.address


class ReferenceStreams:
    """The same by `MotionHistory`, `FlowHistory` and `PositionWindow`, with maps and slices in halves as on the device.

    Two things differ, and neither reaches an embedding: what lies before a break is zero, and a frame with a value that
    is not finite counts for nothing and ends the run, where the CPU engine would let it into the sums.
    """

    def __init__(self, slots: int, window: int) -> None:
        self._history, self._flow = MotionHistory(slots), FlowHistory(slots)
        self._window = PositionWindow(slots, window)
        self._broken = np.zeros(slots, np.bool_)

    def reset(self, slot: int) -> None:
        self._history.reset(slot)
        self._flow.reset(slot)
        self._window.reset(slot)
        self._broken[slot] = False

    def step(self, frames: Frames, measured: Single) -> Step:
        """measured: the kernels' own flow, so that sums are of the same values and their rounding alone differs."""
        rows = [self._row(frames, row) for row in range(len(frames.slots))]
        differences, earlier, flow, valid = (np.stack(part) for part in zip(*rows, strict=True))
        positions = np.concatenate([frames.pooled, measured], axis=1)
        self._window.push(frames.slots, np.where(valid[:, None], positions, 0), valid)
        moments, fraction = self._window.moments(frames.slots)
        energy = np.abs(differences[:, -1].astype(np.float64)).mean(axis=(2, 3))
        return Step(differences, energy.astype(np.float32), earlier, flow, moments, fraction)

    def _row(self, frames: Frames, row: int) -> tuple[Half, Half, Single, bool]:
        slot = int(frames.slots[row])
        newest, new_slice = frames.maps[row], frames.slices[row]
        continues = bool(frames.continues[row]) and not self._broken[slot]
        with np.errstate(invalid="ignore", over="ignore"):
            differences = self._history.push_map(slot, newest.astype(np.float32), continues).astype(np.float16)
        flow = self._flow.push_frame(slot, frames.frames[row], continues)
        earlier = self._history.slices(slot).astype(np.float16)
        self._history.push_slice(slot, new_slice.astype(np.float32))
        run = int(self._history.run_frames(frames.slots[row : row + 1])[0])
        differences[: max(0, 3 - (run - 1))] = 0
        earlier[: max(0, 2 - (run - 1))] = 0
        parts = (newest, differences[-1], new_slice)
        self._broken[slot] = not all(np.isfinite(part).all() for part in parts)
        counts = run > TEMPORAL_MARGIN and not self._broken[slot] and bool(np.isfinite(frames.pooled[row]).all())
        return differences, earlier, flow, counts


def random_frames(generator: np.random.Generator, slots: int, *, breaks: float = 0.1, everyone: bool = False) -> Frames:
    """New values for some of the streams, in any order; about `breaks` of them do not continue."""
    count = slots if everyone else int(generator.integers(1, slots + 1))
    chosen = generator.permutation(slots)[:count].astype(np.int32)
    return Frames(
        chosen,
        generator.random(count) >= breaks,
        generator.integers(0, 256, (count, *FRAME_SHAPE), dtype=np.uint8),
        generator.normal(0, 3, (count, *MAP_SHAPE)).astype(np.float16),
        generator.normal(0, 3, (count, *SLICE_SHAPE)).astype(np.float16),
        generator.normal(1, 2, (count, POOLED_SIZE)).astype(np.float32),
    )


def poison(generator: np.random.Generator, frames: Frames, chance: float) -> None:
    """Put one value that is not finite, or too large to difference, into some rows."""
    for part in (frames.maps, frames.slices, frames.pooled):
        for row in np.flatnonzero(generator.random(len(part)) < chance):
            value = generator.choice([np.nan, np.inf, -np.inf])
            part[row].reshape(-1)[generator.integers(math.prod(part.shape[1:]))] = value


def assert_agree(found: Step, expected: Step) -> None:
    """Copies and differences to the bit (NaN is NaN); sums to rounding; flow as closely as it is divided."""
    np.testing.assert_array_equal(found.differences, expected.differences)
    np.testing.assert_array_equal(found.earlier, expected.earlier)
    np.testing.assert_array_equal(found.valid_fraction, expected.valid_fraction)
    np.testing.assert_allclose(found.energy, expected.energy, rtol=2e-6)
    np.testing.assert_allclose(found.flow, expected.flow, atol=2e-5)
    np.testing.assert_allclose(found.moments, expected.moments, rtol=1e-6, atol=1e-12)


def run_both(
    device: Device, generator: np.random.Generator, *, slots: int, window: int, steps: int, padding: int = 0
) -> Iterator[tuple[Step, Step]]:
    """Random steps with breaks, resets, returning streams and values that are not finite, by kernels and reference."""
    kernels, reference = KernelStreams(device, slots, window, padding), ReferenceStreams(slots, window)
    for _ in range(steps):
        frames = random_frames(generator, slots)
        poison(generator, frames, 0.03)
        if generator.random() < 0.1:
            slot = int(generator.integers(slots))
            kernels.reset(slot)
            reference.reset(slot)
        found = kernels.step(frames)
        yield found, reference.step(frames, found.flow)
