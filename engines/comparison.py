"""The comparison score: cosine of template and probe, normalised against a cohort of other drivers.

A raw cosine means different things for different people: whoever moves in an average way is close to everybody. Each
side is therefore judged against how it compares with a cohort of drivers who take part in neither (adaptive symmetric
normalisation of speaker verification, "AS-norm"; Matějka et al., Interspeech 2017, the variant that takes each side's
own nearest cohort rows):

    z = ((c - mean_t) / std_t + (c - mean_p) / std_p) / 2

with c the cosine, and mean and std over the `COHORT_NEAREST` cohort rows most similar to the template (t) and to the
probe (p). Calibration is fitted on this score and live verification computes it: both import it from here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.errors import EngineInputError

COHORT_NEAREST = 64
"""Cohort rows that normalise one side: its nearest ones, since far ones say nothing about near misses."""

_STD_FLOOR = 0.02
"""Smallest cohort deviation divided by: a cohort that collapsed onto a point must not blow a score up."""


@dataclass(frozen=True, slots=True)
class CohortStatistics:
    """How a set of embeddings compares with its nearest cohort rows: float32 (n,) each, in units of cosine."""

    mean: NDArray[np.float32]
    std: NDArray[np.float32]


def cohort_statistics(embeddings: NDArray[np.float32], cohort: NDArray[np.float32]) -> CohortStatistics:
    """Mean and deviation of the similarity of each embedding to its nearest cohort rows.

    embeddings: (n, D), L2-normalised rows. cohort: (m, D), L2-normalised rows, m >= 2; fewer than `COHORT_NEAREST` are
    all used. Worth keeping for a template, which is compared with every probe of a call.
    Raises EngineInputError when the shapes do not fit.
    """
    _check_rows(embeddings, cohort)
    return _nearest_statistics(embeddings @ cohort.T)


def normalised_scores(
    cosine: NDArray[np.float32], template: CohortStatistics, probe: CohortStatistics
) -> NDArray[np.float32]:
    """The formula of the module text on a (templates, probes) matrix of cosines; float32 of the same shape."""
    by_template = (cosine - template.mean[:, None]) / template.std[:, None]
    by_probe = (cosine - probe.mean[None, :]) / probe.std[None, :]
    return ((by_template + by_probe) / 2).astype(np.float32)


def normalised_score(cosine: float, template: CohortStatistics, probe: CohortStatistics) -> float:
    """The same for one template and one probe, whose statistics have one row each."""
    by_template = (cosine - template.mean.item()) / template.std.item()
    by_probe = (cosine - probe.mean.item()) / probe.std.item()
    return (by_template + by_probe) / 2


def comparison_scores(
    templates: NDArray[np.float32], probes: NDArray[np.float32], cohort: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Every template against every probe: float32 (n, m), 0 = like the nearest strangers, larger = more alike.

    templates: (n, D), probes: (m, D), cohort: (k, D), all L2-normalised rows. Raises EngineInputError when the shapes
    do not fit.
    """
    template_statistics = cohort_statistics(templates, cohort)
    probe_statistics = cohort_statistics(probes, cohort)
    return normalised_scores(templates @ probes.T, template_statistics, probe_statistics)


def mean_embedding(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """One L2-normalised row (D,) for several windows (n, D) of one driver: what a template is made of.

    Raises EngineInputError without rows, or where they cancel out.
    """
    if embeddings.ndim != 2 or embeddings.shape[0] == 0:
        raise EngineInputError(f"need at least one embedding as a row of (n, D), got shape {embeddings.shape}")
    mean = embeddings.mean(axis=0, dtype=np.float64)
    length = float(np.linalg.norm(mean))
    if not length > 1e-6:
        raise EngineInputError("the embeddings cancel out: their mean has no direction")
    row: NDArray[np.float32] = (mean / length).astype(np.float32)
    return row


def _nearest_statistics(similarity: NDArray[np.float32]) -> CohortStatistics:
    """Of similarities (n, m) to the cohort's rows, which are spoilt.

    By ufuncs: a live call asks for one row at a time, and NumPy's mean, std and partition take longer than their sums.
    """
    rows = similarity.shape[1]
    nearest = min(COHORT_NEAREST, rows)
    similarity.partition(rows - nearest, axis=1)
    top = similarity[:, rows - nearest :]
    mean = np.add.reduce(top, axis=1) / np.float32(nearest)
    top -= mean[:, None]
    top *= top
    std = np.sqrt(np.add.reduce(top, axis=1) / np.float32(nearest))
    return CohortStatistics(mean, np.maximum(std, np.float32(_STD_FLOOR)))


def _check_rows(embeddings: NDArray[np.float32], cohort: NDArray[np.float32]) -> None:
    if embeddings.ndim != 2 or cohort.ndim != 2 or embeddings.shape[1] != cohort.shape[1]:
        raise EngineInputError(
            f"embeddings {embeddings.shape} and cohort {cohort.shape} must be rows of the same length"
        )
    if cohort.shape[0] < 2:
        raise EngineInputError(f"the cohort needs at least 2 rows to have a deviation, got {cohort.shape[0]}")
