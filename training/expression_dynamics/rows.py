"""The systems that are laid side by side: references, controls, baselines and the Conformer; what each one reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from training.expression_dynamics.baselines import BiLstm, Tcn
from training.expression_dynamics.closed_form import deviations, level, log_covariance
from training.expression_dynamics.conformer import Conformer, ConformerConfig
from training.expression_dynamics.fitting import Encoder, FitConfig
from training.expression_dynamics.systems import Train, closed_form, encoded

CPU_SIZE = ConformerConfig(
    channels=0, joined=4, width=64, blocks=1, kernel=15, dropout=0.2, log_deviation=True, embedding_size=256
)
"""What a shared CPU trains in half a minute: a quarter of the reference's depth and width. Ours."""
REFERENCE_SIZE = ConformerConfig(channels=0)
"""As seed_systems.md 1.2 lays it out, for a GPU."""


@dataclass(frozen=True, slots=True)
class Row:
    """channels: what it reads of recordings that hold several kinds. seeds: how many trainings are averaged.
    verified: asked both questions, the one about people unseen in training too, which takes a training a draw."""

    name: str
    train: Train
    channels: str = "signals"
    seeds: int = 1
    verified: bool = True


@dataclass(frozen=True, slots=True)
class FusedRow:
    """Rows of the same channels as one: log probabilities are added, embeddings laid side by side, with weights."""

    name: str
    parts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Size:
    """How large and how long encoders are trained. reference: the full Conformer in place of `CPU_SIZE`."""

    frames: int = 100
    seeds: int = 3
    steps: int = 500
    reference: bool = False


REFERENCE_ROW = "landmark line"
CONFORMER = "Conformer"
FUSED = "Conformer + closed form"
FUSED_CLOSED = "closed form together"
"""Names that the page compares."""
_BEST_IN_CLOSED_FORM = "log covariance with lag 1"
"""On the second-to-last recording of each person, with the last one left out."""


def compared_rows(size: Size, units: bool) -> tuple[tuple[Row, ...], tuple[FusedRow, ...]]:
    """All rows, the reference first. units: recordings hold action units beside signals."""
    frames = size.frames
    config = FitConfig(frames=frames, steps=size.steps)
    conformer = _conformer(REFERENCE_SIZE if size.reference else CPU_SIZE)
    control = partial(Row, seeds=size.seeds, verified=False)
    rows = [
        Row(REFERENCE_ROW, closed_form(deviations, "median", frames)),
        Row("mean expression only", closed_form(level, "none", frames)),
        Row("log covariance", closed_form(lambda values: log_covariance(values, (0,)), "median", frames)),
        Row(_BEST_IN_CLOSED_FORM, closed_form(lambda values: log_covariance(values, (0, 1)), "median", frames)),
        Row(CONFORMER, _trained(conformer, config), seeds=size.seeds),
        control("Conformer with the mean", _trained(conformer, replace(config, removal="none"))),
        control("Conformer on shuffled time", _trained(conformer, replace(config, shuffled=True))),
        control("BiLSTM", _trained(BiLstm, config)),
        control("TCN", _trained(Tcn, config)),
    ]
    if units:
        rows += [
            Row("action units: mean only", closed_form(level, "none", frames), "action_units"),
            Row("action units: deviations", closed_form(deviations, "mean", frames), "action_units"),
            control("action units: Conformer", _trained(conformer, config), channels="action_units"),
        ]
    return tuple(rows), (
        FusedRow(FUSED_CLOSED, {_BEST_IN_CLOSED_FORM: 1.0, REFERENCE_ROW: 1.0}),
        FusedRow(FUSED, {CONFORMER: 1.0, _BEST_IN_CLOSED_FORM: 1.0, REFERENCE_ROW: 1.0}),
    )


def _trained(encoder: Encoder, config: FitConfig) -> Train:
    return encoded(encoder, lambda seed: replace(config, seed=seed))


def _conformer(size: ConformerConfig) -> Encoder:
    return lambda channels: Conformer(replace(size, channels=channels))
