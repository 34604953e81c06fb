"""One probe against one template: comparison score, then calibrated log-likelihood ratio."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.comparison import cohort_statistics, normalised_score
from engines.protocol import Calibration


@dataclass(frozen=True, slots=True)
class Comparison:
    """Outcome for one window."""

    similarity: float
    """Cohort-normalised comparison score (AS-norm)."""
    llr: float
    """Calibrated log-likelihood ratio in nats; positive speaks for the enrolled driver."""


class TemplateComparison:
    """Compares the windows of a call with one template; keeps what does not change between windows."""

    def __init__(self, template: NDArray[np.float32], calibration: Calibration) -> None:
        """template: float32 (D,), L2-normalised. Raises EngineInputError where it does not fit the cohort."""
        self._template = template
        self._calibration = calibration
        self._statistics = cohort_statistics(template[None, :], calibration.cohort)

    def compare(self, probe: NDArray[np.float32]) -> Comparison:
        """probe: float32 (D,), L2-normalised. Raises EngineInputError for another length."""
        statistics = cohort_statistics(probe[None, :], self._calibration.cohort)
        similarity = normalised_score(float(self._template @ probe), self._statistics, statistics)
        return Comparison(similarity, self._calibration.slope * similarity + self._calibration.offset)
