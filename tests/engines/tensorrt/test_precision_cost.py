"""Half precision against the golden clip, every tensor rounded as on a GPU that fuses nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engines.golden import GOLDEN_COSINE, golden_clip, read_golden
from engines.model_folder import read_model_folder
from engines.tensorrt.precision import Precision
from engines.tensorrt.precision_cost import precision_cost, run_clip

HALF_COSINE = 0.999
"""Smallest cosine to the CPU engine's embedding that a half engine may have (issue 4)."""


@pytest.mark.parametrize(("precision", "smallest"), [("fp32", GOLDEN_COSINE), ("fp16", HALF_COSINE)])
def test_embeddings_are_the_models_own(any_engine_folder: Path, precision: Precision, smallest: float) -> None:
    model, golden = read_model_folder(any_engine_folder), read_golden(any_engine_folder)
    embeddings = run_clip(model, precision, *golden_clip(model.spec.window_frames)).embeddings
    cosines = (embeddings[golden.frames] * golden.embeddings).sum(axis=1)
    assert cosines.min() >= smallest


def test_cost_is_seen_and_small(random_engine_folder: Path) -> None:
    model = read_model_folder(random_engine_folder)
    frames, continues = golden_clip(model.spec.window_frames)
    cost = precision_cost(model, frames, continues)
    assert cost.frames == len(frames)
    assert 0 < cost.map_error < cost.difference_error
    assert HALF_COSINE < cost.cosine_min <= cost.cosine_median <= 1 + 1e-6
    assert 0 < cost.largest_value < float(np.finfo(np.float16).max)
