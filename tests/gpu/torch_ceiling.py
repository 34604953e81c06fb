"""Arithmetic: what PyTorch reaches in a half matrix product, and what a frame needs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from engines.model_folder import ModelFolder
from engines.slot_state import MAP_SHAPE, POSITION_SIZE, SLICE_SHAPE, TAPS
from engines.step_input import FRAME_SHAPE
from tests.gpu.ceilings import MATRIX_SIZE
from tests.gpu.device_clock import spread_of
from tests.gpu.section import UnavailableError
from tests.gpu.torch_graphs import trained_steps


def half_product_rate(*, size: int = MATRIX_SIZE, repeats: int = 30) -> dict[str, Any]:
    """Operations a second, on random values: zeros run faster than real data does.

    Raises UnavailableError where PyTorch sees no GPU.
    """
    if not torch.cuda.is_available():
        raise UnavailableError("PyTorch sees no GPU")
    left, right = (torch.randn(size, size, device="cuda", dtype=torch.float16) for _ in range(2))
    for _ in range(5):
        left @ right
    marks = []
    for _ in range(repeats):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        begin.record()
        left @ right
        end.record()
        marks.append((begin, end))
    torch.cuda.synchronize()
    times = spread_of([begin.elapsed_time(end) for begin, end in marks])
    return {"size": size, "per_second": 2 * size**3 / times.median_ms * 1000, "times": asdict(times)}


def frame_operations(model: ModelFolder) -> int:
    """Floating-point operations of convolutions and matrix products for one frame, a multiplication and an addition
    counted as two."""
    steps = trained_steps(model)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        steps.backbone(torch.zeros(1, *FRAME_SHAPE, dtype=torch.uint8))
        steps.head(torch.zeros(1, TAPS, *MAP_SHAPE), torch.zeros(1, TAPS - 1, *SLICE_SHAPE))
        steps.embedding(torch.ones(1, 2 * POSITION_SIZE))
    return int(counter.get_total_flops())
