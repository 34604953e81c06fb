"""Fusion: one log-likelihood ratio out of the engine's and those of the witnesses that speak.

A witness that is missing is left out and the weights of the remaining set hold, so that less is known, not something
else. Without the engine nothing is fused, and where no witness speaks, or no weights were fitted for those that do, the
engine's own LLR stands as it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from engines.witnesses.fusion_table import ENGINE, FusedSet, FusionTable


@dataclass(frozen=True, slots=True)
class Fused:
    """What all that speak say together."""

    llr: float
    """Nats, of `seconds` of video; positive speaks for the enrolled driver."""
    seconds: float
    per_window: float
    """The share of one engine window in it, in nats: what evidence adds up in place of the engine's own LLR. The engine
    alone comes to its own LLR by this measure, so that evidence keeps its scale when witnesses come and go."""
    weights: Mapping[str, float]
    """Of those that were weighed, the engine's among them."""


class Fusion:
    """The weights of a table for the models that run here."""

    def __init__(self, table: FusionTable | None, models: Mapping[str, str]) -> None:
        """models: SHA-256 of the running models by name, the engine's as "f5c"."""
        self._table = table
        self._models = {} if table is None else table.models
        self._running = dict(models)
        known = {name for name, sha256 in models.items() if self._models.get(name) == sha256}
        self._sets = [] if table is None else [each for each in table.sets if each.names <= known]

    def fuse(self, engine_llr: float, others: Mapping[str, float]) -> Fused | None:
        """Weigh the engine's LLR and those of witnesses, by name; None where no weights hold for any of them.

        LLRs in nats. Whatever is not finite is not heard.
        """
        heard = {name: llr for name, llr in others.items() if math.isfinite(llr)}
        best = self._best({ENGINE, *heard})
        if best is None or self._table is None or not math.isfinite(engine_llr):
            return None
        limit = self._table.limit
        llrs = {ENGINE: engine_llr, **heard}
        held = {name: min(max(llr, -limit), limit) for name, llr in llrs.items()}
        total = best.bias + sum(weight * held[name] for name, weight in best.weights.items())
        return Fused(total, self._table.seconds, total / self._table.engine_windows, best.weights)

    def weighs(self, name: str) -> bool:
        """Whether a witness can count at all."""
        return any(name in each.names for each in self._sets)

    def why_unweighed(self, name: str) -> str:
        """For people: why this witness does not count."""
        if name not in self._models:
            return "not weighed: no fusion weights were fitted for it"
        if self._models[name] != self._running.get(name) or self._models.get(ENGINE) != self._running.get(ENGINE):
            return "not weighed: its fusion weights were fitted for another version"
        return "not weighed beside the others"

    def _best(self, speaking: set[str]) -> FusedSet | None:
        """The largest set of those that speak; of two as large, the one that is first in the table."""
        fitting = [each for each in self._sets if each.names <= speaking and len(each.names) > 1]
        return max(fitting, key=lambda each: len(each.names), default=None)
