"""Kernel parity: random steps on the device against NumPy, and replays of captured launches against plain ones."""

from __future__ import annotations

import secrets
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.cuda import launches
from engines.cuda.device import Device
from tests.engines.kernels.streams import Step, assert_agree, run_both
from tests.gpu.difference_load import DifferenceLoad
from tests.gpu.stack import Stack

SHAPES = ((1, 1, 0), (5, 3, 3), (70, 7, 58), (64, 59, 0))
"""Streams, window positions and padding rows; 64 records are one chunk, so 70 streams take two."""


def measure_kernels(
    stack: Stack, *, shapes: tuple[tuple[int, int, int], ...] = SHAPES, steps: int = 40
) -> dict[str, Any]:
    """Inputs are drawn afresh in every run; the seed says which. Raises AssertionError where a value differs."""
    seed = secrets.randbits(32)
    values: dict[str, Any] = {"device": stack.device.name, "seed": seed, "steps_each": steps, "sequences": []}
    for slots, window, padding in shapes:
        generator = np.random.default_rng([seed, slots])
        pairs = run_both(stack.device, generator, slots=slots, window=window, steps=steps, padding=padding)
        errors = [_compare(found, expected) for found, expected in pairs]
        values["sequences"].append(
            {
                "streams": slots,
                "window_positions": window,
                "padding_rows": padding,
                "largest_energy_error": max(energy for energy, _ in errors),
                "largest_moment_error": max(moments for _, moments in errors),
            }
        )
    values["luma_error_in_half_steps"] = _luma_error(stack.device, np.random.default_rng(seed))
    values["replay_equals_plain_launch"] = _replay_agrees(stack)
    values["agree"] = bool(values["replay_equals_plain_launch"] and values["luma_error_in_half_steps"] <= 1)
    return values


def _compare(found: Step, expected: Step) -> tuple[float, float]:
    """Differences, slices and shares to the bit, or it raises; then the relative errors of energies and moments."""
    assert_agree(found, expected)
    return _relative(found.energy, expected.energy), _relative(found.moments, expected.moments)


def _relative(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    finite = np.isfinite(expected)
    scale = np.maximum(np.abs(expected[finite]), 1e-12)
    return float(np.max(np.abs(found[finite] - expected[finite]) / scale, initial=0))


def _luma_error(device: Device, generator: np.random.Generator, rows: int = 3) -> int:
    """Largest distance of a normalised pixel from the nearest half, counted in halves."""
    pixels = generator.integers(0, 256, (rows, 128, 128), np.uint8)
    normal = np.empty(pixels.shape, np.float16)
    frames, out = device.allocate(pixels.nbytes), device.allocate(normal.nbytes)
    device.upload(frames, pixels)
    addresses = {"frames": frames.address, "normal": out.address}
    device.launch(launches.normalise_luma(rows, **addresses, pixel_mean=0.45, pixel_std=0.25))
    device.download(normal, out)
    device.synchronise()
    wanted = ((pixels / 255.0 - 0.45) / 0.25).astype(np.float16)
    for buffer in (frames, out):
        device.free(buffer)
    return int(np.abs(_ordered(normal) - _ordered(wanted)).max())


def _ordered(halves: NDArray[np.float16]) -> NDArray[np.int32]:
    """Halves as integers, neighbours one apart."""
    bits = halves.view(np.int16).astype(np.int32)
    return np.where(bits < 0, -(bits & 0x7FFF), bits).astype(np.int32)


def _replay_agrees(stack: Stack, rows: int = 4) -> bool:
    """Is a launch of pycuda captured with its arguments? The third one here is a replay."""
    load = DifferenceLoad(stack.device, rows)
    results = []
    for _ in range(3):
        stack.device.zero(load.differences)
        stack.capture.launch("difference", stack.device.stream, load.launch)
        results.append(load.result())
    stack.capture.forget()
    load.close()
    return bool(results[0].any()) and all(np.array_equal(results[0], other) for other in results[1:])
