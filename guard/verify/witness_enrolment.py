"""What witnesses take from an enrolment: parts of the template, or a reason why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from engines.witnesses.protocol import WitnessSpec
from guard.verify.template import WitnessPart
from guard.verify.witness_windows import WindowCollector
from guard.verify.witness_words import plain_name

MIN_WINDOWS = 3
"""Half-overlapping windows that a part needs: two windows' worth of tracked face. Our own choice."""


class PartEnrolment:
    """Collects the windows of one witness, each half a window after the one before."""

    def __init__(self, spec: WitnessSpec) -> None:
        self.spec = spec
        self._collector = WindowCollector(spec.rate_hz, spec.window_frames, spec.window_seconds / 2)
        self._embeddings: list[NDArray[np.float32]] = []

    def add(self, seconds: float, row: NDArray[np.float32] | None) -> NDArray[np.float32] | None:
        """Take the next sample (see `WindowCollector.add`); a window to embed and `keep`, where one is due."""
        return self._collector.add(seconds, row)

    def keep(self, embedding: NDArray[np.float32]) -> None:
        """Take the embedding of a window."""
        self._embeddings.append(embedding.astype(np.float32))

    def part(self) -> WitnessPart | None:
        """The part; None where too little was seen."""
        if len(self._embeddings) < MIN_WINDOWS:
            return None
        return WitnessPart(self.spec.name, np.stack(self._embeddings), self.spec.model_sha256)

    def why_none(self) -> str:
        """For people: why there is no part."""
        needed = self.spec.window_seconds * (MIN_WINDOWS + 1) / 2
        return (
            f"{plain_name(self.spec.name)} has no part in it: {len(self._embeddings)} of {MIN_WINDOWS} windows were "
            f"tracked; enrol with a face in view for {needed:.0f} s or more at a stretch"
        )


@dataclass(frozen=True, slots=True)
class CollectedParts:
    """Parts by witness, and a sentence for each witness without one."""

    parts: tuple[WitnessPart, ...] = ()
    missing: tuple[str, ...] = ()

    @classmethod
    def of(cls, enrolments: Sequence[PartEnrolment]) -> Self:
        """What these enrolments have come to."""
        found = [(each, each.part()) for each in enrolments]
        return cls(
            tuple(part for _, part in found if part is not None),
            tuple(each.why_none() for each, part in found if part is None),
        )
