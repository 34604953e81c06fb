"""How much of what a machine can do an engine's stages use."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from engines.slot_state import CARRIED_SHAPES, MAP_SHAPE, SLICE_SHAPE, TAPS
from engines.step_input import FRAME_SHAPE

BACKBONE_MACS, HEAD_MACS = 24_742_272, 49_741_824
"""Multiply-adds of one frame: of the graphs' convolutions and matrix products, the rest is left out. Backbone, in
millions: stem 6.92, FCC 1.05, likeness of nodes 8.39, their weighted means 8.39. Head: 4.19 for each of three
differences by itself, temporal convolutions 28.31 and 3.54, what follows them 4.72 and 0.59."""
INTEGER_HEAD_MACS = HEAD_MACS - 2 * 4_194_304
"""The head of the CPU graphs looks at the newest difference only, and keeps what it made of the two before."""

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_HALF_BYTES, _FLOAT_BYTES = 2, 4
_CHILD_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Ceilings:
    """What the machine reached in the same run, or why that is not known. Billions of operations, bytes a second.

    upload_gbps: over a device's bus; None where there is none.
    """

    gflops: float | None
    copy_gbps: float | None
    about: str
    upload_gbps: float | None = None


@dataclass(frozen=True, slots=True)
class StageWork:
    """Work that one frame needs of one stage: operations (two per multiply-add), or bytes read and written, or bytes
    over the bus.

    in_int8: some operations are of 8-bit integers, of which a ceiling of floating-point products says nothing.
    """

    operations: int = 0
    moved_bytes: int = 0
    uploaded_bytes: int = 0
    in_int8: bool = False


@dataclass(frozen=True, slots=True)
class StageRate:
    """What a stage reaches: billions of operations or bytes a second (`unit`), and its share of the ceiling."""

    rate: float
    unit: str
    share: float | None


def cpu_ceilings(threads: int) -> Ceilings:
    """Measure the processor with as many threads as the engine has; takes about two seconds."""
    command = [sys.executable, "-m", "guard.bench.cpu_ceilings", str(threads)]
    environment = os.environ | dict.fromkeys(_THREAD_VARIABLES, str(threads))
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=_CHILD_SECONDS, check=True
        )
        found = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return Ceilings(None, None, f"not measured: {error}")
    about = f"best fp32 matrix product and best copy (read + written) of numpy, {threads} thread(s), same run"
    return Ceilings(found["gflops"], found["copy_gbps"], about)


def device_ceilings() -> Ceilings:
    """Measure the GPU that the TensorRT backend runs on, by that backend; takes seconds."""
    try:
        from engines.tensorrt.gpu_ceilings import PRODUCT_SIZE, gpu_ceilings

        found = gpu_ceilings()
    except Exception as error:  # noqa: BLE001 - drivers and their bindings raise what they like; the rest still counts
        return Ceilings(None, None, f"not measured: {error}")
    about = (
        f"half product of {PRODUCT_SIZE} by TensorRT, copy inside the device (read + written), upload from page-locked "
        "memory, best of many, same run"
    )
    return Ceilings(found.operations / 1e9, found.copied_bytes / 1e9, about, found.uploaded_bytes / 1e9)


def stage_work(*, on_device: bool, int8_head: bool) -> dict[str, StageWork]:
    """Of the stages that have a ceiling, per frame.

    difference on the CPU, in fp32: newest and previous map read, difference written; then for a head in fp32 the slice
    copied, for one in integers what earlier terms add copied, what they add next read twice and written, and what they
    add after that copied. On a device, in halves: newest and three earlier maps read, one map and three differences
    written (engines/kernels/README.md).
    """
    map_values = math.prod(MAP_SHAPE)
    head_values = 7 * sum(map(math.prod, CARRIED_SHAPES)) if int8_head else 2 * math.prod(SLICE_SHAPE)
    on_cpu_bytes = _FLOAT_BYTES * (3 * map_values + head_values)
    on_device_bytes = _HALF_BYTES * map_values * (1 + TAPS + 1 + TAPS)
    upload = {"upload": StageWork(uploaded_bytes=math.prod(FRAME_SHAPE))} if on_device else {}
    return {
        **upload,
        "backbone": StageWork(operations=2 * BACKBONE_MACS),
        "difference": StageWork(moved_bytes=on_device_bytes if on_device else on_cpu_bytes),
        "head": StageWork(operations=2 * _head_macs(int8_head=int8_head), in_int8=int8_head),
    }


def stage_rates(
    stages_ms: Mapping[str, float], work: Mapping[str, StageWork], ceilings: Ceilings
) -> dict[str, StageRate]:
    """What the stages reach, from their milliseconds per frame; those that took no measurable time are left out."""
    rates = {}
    for stage, needed in work.items():
        if (spent_ms := stages_ms.get(stage, 0.0)) <= 0:
            continue
        rates[stage] = _rate(needed, spent_ms, ceilings)
    return rates


def arithmetic_rate(frames_per_second: float, ceilings: Ceilings, *, int8_head: bool) -> StageRate:
    """Of whole steps: what the graphs' convolutions and matrix products come to."""
    work = StageWork(operations=2 * (BACKBONE_MACS + _head_macs(int8_head=int8_head)), in_int8=int8_head)
    return _rate(work, 1000 / frames_per_second, ceilings)


def _head_macs(*, int8_head: bool) -> int:
    return INTEGER_HEAD_MACS if int8_head else HEAD_MACS


def _rate(needed: StageWork, spent_ms: float, ceilings: Ceilings) -> StageRate:
    if needed.operations:
        amount, unit = needed.operations, "GOP/s" if needed.in_int8 else "GFLOP/s"
        ceiling = None if needed.in_int8 else ceilings.gflops
    elif needed.uploaded_bytes:
        amount, unit, ceiling = needed.uploaded_bytes, "GB/s", ceilings.upload_gbps
    else:
        amount, unit, ceiling = needed.moved_bytes, "GB/s", ceilings.copy_gbps
    rate = amount / spent_ms / 1e6
    return StageRate(rate, unit, None if ceiling is None else rate / ceiling)
