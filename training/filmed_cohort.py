"""Strangers as cameras show them, for the cohort: people in their own videos.

A cohort of rendered strangers is no measure for filmed people: any two of these are more alike than either is to what
was rendered. On 13 people of validation and test, in their own videos, 64 % of the pairs of strangers had a
log-likelihood ratio above 0 with such a cohort, and 16 % with these rows beside it; drivers on painted faces, whose
nearest strangers stay the rendered ones, are told apart as before (`EXPERIMENTS.md`).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from training.embedding import Embed
from training.evaluation.prepared_clips import LabelledClip

_MOST_WINDOWS = 24
"""Of one clip, and when a person has so many no further clip of theirs is taken; some have dozens."""
_SHORTEST_FRAMES = 24
"""A shorter clip tells nothing; one shorter than a window is embedded whole."""

People = dict[str, NDArray[np.float32]]
"""Embeddings of everybody's windows, (n, D) each."""


def filmed_people(clips: Iterable[LabelledClip], embed: Embed, window: int) -> People:
    """Embed windows of `window` frames, half overlapping, of people's own clips; re-enacted ones are left out.

    Windows with a gap in time are left out, too; people of whom nothing is left are missing.
    """
    found: dict[str, list[NDArray[np.float32]]] = {}
    for clip in clips:
        if clip.labels.original and len(found.get(clip.labels.driver, [])) < _MOST_WINDOWS:
            rows = [embed(frames[None])[0] for frames in _windows(clip, window)]
            found.setdefault(clip.labels.driver, []).extend(rows)
    return {driver: np.stack(rows) for driver, rows in found.items() if rows}


def _windows(clip: LabelledClip, window: int) -> Iterable[NDArray[np.uint8]]:
    length = min(window, len(clip.frames))
    if length < _SHORTEST_FRAMES:
        return ()
    starts = range(0, len(clip.frames) - length + 1, max(1, length // 2))
    unbroken = (start for start in starts if clip.continues[start + 1 : start + length].all())
    return (clip.frames[start : start + length] for start in islice(unbroken, _MOST_WINDOWS))
