"""Trials that fusion is fitted on: what the engine and each witness say of the same stretch of video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.witnesses.fusion_table import ENGINE
from training.metrics import Trials


@dataclass(frozen=True, slots=True)
class FusionTrials:
    """Comparisons of a template with a stretch of video; all arrays (n,).

    llrs: by name, the engine's as "f5c": the mean over the windows of the stretch, in nats; NaN where the witness said
    nothing. template_driver, probe_driver: a trial is genuine where they are equal. seconds: length of the stretch.
    models: SHA-256 of what gave the LLRs, by name. training_data: where the trials come from, a sentence.
    """

    llrs: dict[str, NDArray[np.float64]]
    template_driver: NDArray[np.int64]
    probe_driver: NDArray[np.int64]
    seconds: NDArray[np.float64]
    models: dict[str, str]
    training_data: str

    @property
    def names(self) -> tuple[str, ...]:
        """The engine, then the witnesses by name."""
        return (ENGINE, *sorted(name for name in self.llrs if name != ENGINE))

    @property
    def genuine(self) -> NDArray[np.bool_]:
        same: NDArray[np.bool_] = self.template_driver == self.probe_driver
        return same

    @property
    def drivers(self) -> NDArray[np.int64]:
        """Numbers of everybody, sorted."""
        return np.unique(np.concatenate([self.template_driver, self.probe_driver]))

    def subset(self, chosen: NDArray[np.bool_]) -> FusionTrials:
        """Some of the trials."""
        return FusionTrials(
            {name: llr[chosen] for name, llr in self.llrs.items()},
            self.template_driver[chosen],
            self.probe_driver[chosen],
            self.seconds[chosen],
            self.models,
            self.training_data,
        )

    @staticmethod
    def joined(parts: Sequence[FusionTrials], training_data: str | None = None) -> FusionTrials:
        """All under one another; driver numbers must come from one numbering. training_data: the first's without."""
        first = parts[0]
        return FusionTrials(
            {name: np.concatenate([part.llrs[name] for part in parts]) for name in first.llrs},
            np.concatenate([part.template_driver for part in parts]),
            np.concatenate([part.probe_driver for part in parts]),
            np.concatenate([part.seconds for part in parts]),
            first.models,
            training_data or first.training_data,
        )

    def among(self, drivers: NDArray[np.int64]) -> FusionTrials:
        """The trials that only these drivers take part in."""
        return self.subset(np.isin(self.template_driver, drivers) & np.isin(self.probe_driver, drivers))

    def lasting(self, seconds: float) -> FusionTrials:
        """The trials of one length."""
        return self.subset(np.isclose(self.seconds, seconds))

    def heard(self, names: tuple[str, ...]) -> FusionTrials:
        """The trials in which all of these said something."""
        spoken = np.ones(len(self.seconds), bool)
        for name in names:
            spoken &= np.isfinite(self.llrs[name])
        return self.subset(spoken)

    def scored(self, scores: NDArray[np.float64]) -> Trials:
        """The trials with one score each, to be measured."""
        anywhere = np.full(len(scores), -1, np.int64)
        return Trials(scores, self.template_driver, self.probe_driver, anywhere)
