"""`fusion.json`: how much each opinion weighs, for every set of those that speak at the same time.

The engine ("f5c") and the witnesses each give a log-likelihood ratio (LLR). They look at the same face, so their LLRs
must not simply be added; logistic regression on people that trained none of them gives a bias and weights
(Brümmer et al., "Fusion of heterogeneous speaker recognition systems", IEEE TASLP 15(7), 2007):

    fused = bias + sum over the set of weight * llr, each llr held within +-limit

Every set has weights of its own: where a witness is missing, the remaining ones are weighed as they are worth without
it, and the fused LLR comes out smaller, not wrong.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from engines.errors import ModelFolderError
from engines.manifest import Metric, Sha256

FORMAT_VERSION = 1
ENGINE = "f5c"
"""The engine's name among the opinions; every set holds it."""

FUSION_FILE = Path(__file__).parent / "fusion.json"
"""The shipped table; absent where none was fitted for the shipped models."""

Weight = Annotated[float, Field(ge=0)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class FusedSet(_Part):
    """What holds where exactly these opinions speak."""

    weights: dict[str, Weight] = Field(min_length=1)
    """By name, the engine's among them; none is negative: evidence for the driver never counts against."""
    bias: float
    metrics: tuple[Metric, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self.weights)

    @model_validator(mode="after")
    def _with_engine(self) -> Self:
        if ENGINE not in self.weights:
            raise ValueError(f"a set of opinions must hold {ENGINE!r}: witnesses alone verify nobody")
        return self


class FusionTable(_Part):
    """The whole file."""

    format: Literal[1]
    seconds: float = Field(gt=0)
    """Video that a fused LLR speaks for: the length of the trials that the weights were fitted on, whose LLRs are means
    over their windows."""
    engine_windows: float = Field(gt=0)
    """How many of the engine's windows such a trial is worth: the weight of the engine's LLR where it is regressed
    alone. Evidence counts in windows, so a fused LLR divided by this takes the place of one window's."""
    limit: float = Field(gt=0)
    """Nats within which each LLR is held before it is weighed, since calibration extrapolates beyond what it was
    fitted on."""
    models: dict[str, Sha256]
    """Which model each name stands for; the weights are worth nothing with another one."""
    training_data: str = Field(min_length=1)
    sets: tuple[FusedSet, ...]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len({each.names for each in self.sets}) != len(self.sets):
            raise ValueError("a set of opinions is weighed twice")
        if unknown := {name for each in self.sets for name in each.names} - self.models.keys():
            raise ValueError(f"the models of {', '.join(sorted(unknown))} are not named")
        return self


def read_fusion_table(path: Path = FUSION_FILE) -> FusionTable | None:
    """The table, or None where there is no such file. Raises ModelFolderError for one that cannot be used."""
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ModelFolderError(f"{path}: cannot be read ({error}); fit it again (guard-train fusion fit)") from None
    try:
        return FusionTable.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ModelFolderError(f"{path}: {where}: {first['msg']}; fit it again (guard-train fusion fit)") from None
