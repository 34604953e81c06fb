"""Bring motion of any frame rate to one frame rate, so that the rate itself cannot tell drivers apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_KERNEL_SECONDS = 0.022
"""Width of the smoothing kernel: over half a frame at 25 fps, well under the flank of a blink (60-80 ms)."""
_REACH = 3
_NEIGHBOURS = 5
"""Input frames looked at on each side of an output: more than the kernel reaches at any usual rate."""


def segments(ok: NDArray[np.bool_], longest_gap: int) -> list[tuple[int, int]]:
    """Runs [start, end) of frames that may be interpolated: gaps of more than `longest_gap` lost frames are breaks."""
    good = np.flatnonzero(ok)
    if not len(good):
        return []
    cuts = np.flatnonzero(np.diff(good) > longest_gap + 1)
    starts = np.concatenate([[good[0]], good[cuts + 1]])
    ends = np.concatenate([good[cuts], [good[-1]]]) + 1
    return [(int(start), int(end)) for start, end in zip(starts, ends, strict=True)]


def resample(
    values: NDArray[np.floating], seconds: NDArray[np.floating], to_seconds: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Local-linear kernel regression of values (T, C) with time stamps (T,) at new time stamps (N,) -> (N, C).

    The same smoothing kernel at every output, whatever the input's rate: plain interpolation would blur the tracker's
    noise in a pattern that depends on the rate (Fan and Gijbels, Local Polynomial Modelling, 1996, section 3.2).
    """
    width = max(_KERNEL_SECONDS, 0.55 * float(np.median(np.diff(seconds))) if len(seconds) > 1 else 0.0)
    near = np.searchsorted(seconds, to_seconds)[:, None] + np.arange(-_NEIGHBOURS, _NEIGHBOURS)
    inside = (near >= 0) & (near < len(seconds))
    near = np.clip(near, 0, len(seconds) - 1)
    offset = seconds[near] - to_seconds[:, None]
    weight = np.where(np.abs(offset) < _REACH * width, np.exp(-0.5 * (offset / width) ** 2), 0.0) + 1e-12
    weight = np.where(inside, weight, 0.0)
    s0, s1, s2 = (np.sum(weight * offset**power, axis=1, keepdims=True) for power in (0, 1, 2))
    spread = np.maximum(s0 * s2 - s1**2, 1e-12)
    local = weight * (s2 - s1 * offset) / spread
    local /= local.sum(axis=1, keepdims=True)
    return np.asarray(np.matmul(local[:, None], values[near])[:, 0], np.float32)
