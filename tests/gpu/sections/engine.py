"""The device engine against the CPU engine: the same clips, the same embeddings, the same decisions."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.comparison import comparison_scores, mean_embedding
from engines.protocol import Calibration, Engine
from tests.gpu.clips import Clip

MIN_SHARE = 0.5
"""Of a window that counts, for a decision; the golden clip's break leaves no window whole."""

OTHER_TEMPLATES = 16
"""Drivers of the cohort who stand in for enrolled others."""


def compare_engines(engine: Engine, reference: Engine, clips: list[Clip]) -> dict[str, Any]:
    """Both are opened; the engine runs all clips side by side, the reference each by itself.

    Cosines are of all embeddings with a valid window, decisions of those in windows that are half valid or more: the
    sign of the calibrated score against each clip's own template (the mean of the reference's embeddings of its first
    half) and against drivers of the cohort. Raises AssertionError where the engines disagree about what is valid.
    """
    found = stream_together(engine, clips)
    entries: list[dict[str, Any]] = []
    own, wanted = [], []
    for clip, (embeddings, shares) in zip(clips, found, strict=True):
        ((expected, expected_shares),) = stream_together(reference, [clip])
        np.testing.assert_array_equal(shares, expected_shares)
        cosines = (embeddings * expected).sum(1, dtype=np.float64)[shares > 0]
        decides = shares >= MIN_SHARE
        own.append(embeddings[decides])
        wanted.append(expected[decides])
        entries.append(
            {
                "clip": clip.name,
                "embeddings": len(cosines),
                "cosine_min": float(cosines.min()),
                "cosine_median": float(np.median(cosines)),
            }
        )
    return {
        "engine": asdict(engine.status),
        "reference": asdict(reference.status),
        "clips": entries,
        "cosine_min": min(entry["cosine_min"] for entry in entries),
        "cosine_median": float(np.median([entry["cosine_median"] for entry in entries])),
        "decisions": compare_decisions(own, wanted, engine.spec.calibration),
    }


def stream_together(engine: Engine, clips: list[Clip]) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Each clip's embeddings (n, D) and valid fractions (n,), as one stream each; a clip that ends drops out."""
    engine.open(len(clips))
    size = engine.spec.embedding_size
    lengths = [len(clip.frames) for clip in clips]
    results = [(np.zeros((length, size), np.float32), np.zeros(length, np.float32)) for length in lengths]
    for t in range(max(lengths)):
        slots = np.array([slot for slot, length in enumerate(lengths) if t < length], np.int32)
        frames = np.stack([clips[slot].frames[t] for slot in slots])
        step = engine.step(slots, frames, np.array([clips[slot].continues[t] for slot in slots]))
        for row, slot in enumerate(slots):
            results[slot][0][t], results[slot][1][t] = step.embeddings[row], step.valid_fraction[row]
    return results


def compare_decisions(
    own: list[NDArray[np.float32]], wanted: list[NDArray[np.float32]], calibration: Calibration
) -> dict[str, Any]:
    """Signs of log-likelihood ratios. own, wanted: of each clip, embeddings (n, D) of the same frames."""
    first_halves = [rows[: max(1, len(rows) // 2)] for rows in wanted if len(rows)]
    if not first_halves:
        return {"pairs": 0, "differing": 0}
    templates = np.stack([*map(mean_embedding, first_halves), *calibration.cohort[:OTHER_TEMPLATES]])
    llr, expected = (
        calibration.slope * comparison_scores(templates, np.concatenate(rows), calibration.cohort) + calibration.offset
        for rows in (own, wanted)
    )
    differing = (llr > 0) != (expected > 0)
    return {
        "pairs": int(llr.size),
        "speaking_for_the_driver": int((expected > 0).sum()),
        "differing": int(differing.sum()),
        "largest_llr_among_differing": float(np.abs(expected[differing]).max(initial=0)),
        "llr_difference_p99": float(np.percentile(np.abs(llr - expected), 99)),
    }
